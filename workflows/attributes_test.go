package workflows_test

import (
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/sallyporttest/workflowstest"
	"github.com/sallyport/sallyport/workflows"
	"github.com/sallyport/sallyport/workflows/wire"
)

// TestSearchAttributes: Temporal keeps them in the clear. They have the namespace
// of a call where an operator named it, and none of the agent's own text; and so
// has the leaf, by what the entry says.
func TestSearchAttributes(t *testing.T) {
	for name, says := range map[string]func(kind sallyport.WordKind, tool, word string) bool{
		"Agents": nil,
		"Operators": func(kind sallyport.WordKind, tool, word string) bool {
			return kind == sallyport.WordNamespace && tool == "write" && word == "production"
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := workflowstest.New(t, time.Now)
			h.Acts.Says = says
			call, signed := h.Call("write")
			env := h.Env(call)
			want := []temporal.SearchAttributeUpdate{
				temporal.NewSearchAttributeKeyKeyword(wire.StateAttribute).ValueSet(string(sallyport.StateSucceeded)),
				temporal.NewSearchAttributeKeyKeyword(wire.AgentAttribute).ValueSet(call.AgentID),
				temporal.NewSearchAttributeKeyKeyword(wire.ToolAttribute).ValueSet("write"),
			}
			if says != nil {
				want = append(want, temporal.NewSearchAttributeKeyKeyword(wire.NamespaceAttribute).ValueSet("production"))
			}
			env.OnUpsertTypedSearchAttributes(temporal.NewSearchAttributes(want...)).Return(nil).Once() // others make it panic
			env.ExecuteWorkflow(workflows.ToolCall, signed)
			if err := env.GetWorkflowError(); err != nil {
				t.Fatal(err)
			}
			env.AssertExpectations(t)
			intent := h.Ledger.Entries(call.ID)[1]
			if k := intent.Known; k == nil || !k.Tool || k.Namespace != (says != nil) || k.Action || k.Resource {
				t.Errorf("the entry of the intent says %+v", k)
			}
		})
	}
}
