//go:build !race

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/workflows/wire"
)

// body is the call that is measured: an allowed read of a file of a real Git
// repository.
const body = `{"tool": "gitops_get_manifest", "arguments": {"environment": "staging", "name": "api"}, "reason": "bench"}`

// call makes one call and waits for its result.
func (h *harness) call(ctx context.Context, agent int) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.api+"/v1/calls", bytes.NewReader([]byte(body)))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Prefer", "wait=60")
	r.Header.Set("Authorization", "Bearer "+h.tokens[agent%len(h.tokens)])
	resp, err := h.http.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	var c client.Call
	if err := json.Unmarshal(answer, &c); err != nil || resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the gateway answered %s: %s", resp.Status, sallyport.Visible(string(answer)))
	}
	if c.State != sallyport.StateSucceeded || c.Result == nil {
		return "", fmt.Errorf("call %s ended as %s", c.ID, c.State)
	}
	return wire.WorkflowID(c.ID), nil
}
