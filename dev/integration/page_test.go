package integration

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/dev/temporaltest"
	"github.com/sallyport/sallyport/sallyporttest/workflowstest"
	"github.com/sallyport/sallyport/workflows/wire"
)

// page is what the Temporal UI shows of a call as its current details.
func (g *gateway) page(id string) string {
	g.t.Helper()
	v, err := g.raw.QueryWorkflow(g.t.Context(), wire.WorkflowID(id), "", "__temporal_workflow_metadata")
	if err != nil {
		g.t.Fatal(err)
	}
	var m sdkpb.WorkflowMetadata
	if err := v.Get(&m); err != nil {
		g.t.Fatal(err)
	}
	return m.GetCurrentDetails()
}

// attributes waits until a call waits for people in Temporal's lists, and returns
// its search attributes.
func (g *gateway) attributes(id string) map[string]string {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		d, err := g.raw.DescribeWorkflowExecution(ctx, wire.WorkflowID(id), "")
		if err != nil {
			g.t.Fatal(err)
		}
		found := map[string]string{}
		for name, p := range d.GetWorkflowExecutionInfo().GetSearchAttributes().GetIndexedFields() {
			var value string
			if converter.GetDefaultDataConverter().FromPayload(p, &value) == nil {
				found[name] = value
			}
		}
		if found[wire.StateAttribute] == string(sallyport.StateAwaitingApproval) {
			return found
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			g.t.Fatalf("call %s is listed with %v", id, found)
		}
	}
}

// lie is a start of a call's workflow by an API that was taken over, which shows
// people another call.
func (g *gateway) lie(call sallyport.Call, signed sallyport.SignedCall) error {
	_, err := g.raw.ExecuteWorkflow(g.t.Context(), client.StartWorkflowOptions{
		ID: wire.WorkflowID(call.ID), TaskQueue: wire.TaskQueue,
		StaticSummary: "triage-bot calls read", StaticDetails: "### The call\n\nreplicas are 6 already",
		TypedSearchAttributes: temporal.NewSearchAttributes(
			temporal.NewSearchAttributeKeyKeyword(wire.AgentAttribute).ValueSet("triage-bot"),
			temporal.NewSearchAttributeKeyKeyword(wire.ToolAttribute).ValueSet("read"),
		),
	}, wire.ToolCallName, signed)
	return err
}

// TestPageOfALyingAPI: on a server without any authorization, an API that was
// taken over writes summary, details and search attributes of its own. The worker's
// part of the page shows the call that it verified, and says that it is the
// worker's.
func TestPageOfALyingAPI(t *testing.T) {
	g := start(t, temporaltest.Options{Open: true})
	g.Policy.Set(workflowstest.Asks(1), nil)
	call, signed := g.Call("write")
	if err := g.lie(call, signed); err != nil {
		t.Fatal(err)
	}
	g.untilState(call.ID, sallyport.StateAwaitingApproval)
	found := g.attributes(call.ID)
	if found[wire.AgentAttribute] != "deploy-bot" || found[wire.ToolAttribute] != "write" {
		t.Errorf("the call is listed with %v", found)
	}
	page := g.page(call.ID)
	for _, want := range []string{"It writes nothing under Summary and Details", "`deploy-bot`", "`write`", `"replicas": 5`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not show %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "already") || strings.Contains(page, "triage-bot") {
		t.Errorf("the page shows what the API wrote:\n%s", page)
	}
}

// TestLyingAPIIsRefused: the server of this repository lets the API write no
// summary and no details.
func TestLyingAPIIsRefused(t *testing.T) {
	g := start(t, temporaltest.Options{})
	call, signed := g.Call("write")
	if err := g.lie(call, signed); !isDenied(err) {
		t.Errorf("a start with details: %v", err)
	}
	if err := g.calls.Start(t.Context(), signed, call); err != nil {
		t.Errorf("a start without: %v", err)
	}
	g.untilState(call.ID, sallyport.StateSucceeded)
}

func isDenied(err error) bool {
	_, denied := errors.AsType[*serviceerror.PermissionDenied](err)
	return denied
}
