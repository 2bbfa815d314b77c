// Command client calls a gateway by the client that oapi-codegen has generated into
// this package. It gets the gateway's address and an agent's token.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
)

func main() {
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, url, token string) error {
	c, err := NewClientWithResponses(url, WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	}))
	if err != nil {
		return err
	}
	tools, err := c.ListToolsWithResponse(ctx)
	if err != nil || tools.JSON200 == nil {
		return errors.Join(err, errors.New("no tools"))
	}
	fmt.Println("tools:", len(tools.JSON200.Tools) > 0)
	read := SubmitCallJSONRequestBody{Tool: "gitops_get_manifest", Arguments: map[string]any{"environment": "staging", "name": "api"}}
	done, err := c.SubmitCallWithResponse(ctx, &SubmitCallParams{}, read)
	if err != nil || done.JSON200 == nil {
		return errors.Join(err, fmt.Errorf("the call: %s", done.Body))
	}
	fmt.Println("call:", done.JSON200.State)
	again, err := c.GetCallWithResponse(ctx, done.JSON200.Id, &GetCallParams{})
	if err != nil || again.JSON200 == nil {
		return errors.Join(err, errors.New("the call is not found"))
	}
	fmt.Println("the same:", again.JSON200.Id == done.JSON200.Id)
	denied, err := c.PreviewDecisionWithResponse(ctx, &PreviewDecisionParams{}, PreviewDecisionJSONRequestBody{
		Tool: "gitops_scale_deployment", Arguments: map[string]any{"environment": "staging", "name": "api", "replicas": 50},
	})
	if err != nil || denied.JSON200 == nil {
		return errors.Join(err, errors.New("no decision"))
	}
	fmt.Println("decision:", denied.JSON200.Effect, denied.JSON200.Reasons[0].Code)
	none, err := c.GetCallWithResponse(ctx, "none", &GetCallParams{})
	if err != nil || none.ApplicationproblemJSON404 == nil {
		return errors.Join(err, errors.New("no problem"))
	}
	fmt.Println("problem:", none.ApplicationproblemJSON404.Code)
	return nil
}
