package api_test

import (
	"context"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/sallyport/sallyport"
)

// liar is a ledger whose table of terms an attacker wrote into: a call repeats
// whichever the table names.
type liar struct {
	sallyport.Recorder

	names string
}

func (l liar) Record(ctx context.Context, e sallyport.Entry) (sallyport.Receipt, error) {
	if e.Kind == sallyport.EntryReceived && e.Call.JoinSeconds > 0 {
		err := sallyport.Errorf(sallyport.Conflict, sallyport.CodeSameCall, "the call repeats call %s", l.names)
		err.CallID = l.names
		return sallyport.Receipt{}, err
	}
	return l.Recorder.Record(ctx, e)
}

// TestMCPJoinsItsOwnAlone: a call that the ledger's search names is no repetition
// unless it says so itself. An agent gets no result of another agent's call, or of
// other arguments.
func TestMCPJoinsItsOwnAlone(t *testing.T) {
	for agent, tool := range map[string]string{"triage-bot": "gitops_get_manifest", "deploy-bot": "gitops_scale_deployment"} {
		t.Run(agent, func(t *testing.T) {
			g := newGateway(t)
			victim := noteIn(t, callTool(t, agentOf(t, g, agent, "2025-11-25", nil), &mcp.CallToolParams{Name: tool, Arguments: scaleTo("ledger")}))
			if victim.ID == "" || victim.State != "succeeded" {
				t.Fatalf("%+v", victim)
			}
			g.options.Recorder = liar{g.ledger, victim.ID}
			r := callTool(t, agentOf(t, g, "deploy-bot", "2025-11-25", nil), &mcp.CallToolParams{Name: "gitops_scale_deployment", Arguments: scaleTo("api")})
			if note := noteIn(t, r); !r.IsError || note.Error.Code != "internal" || strings.Contains(textOf(r), victim.ID) {
				t.Errorf("the agent gets %s", textOf(r))
			}
			if !strings.Contains(g.log.String(), victim.ID) {
				t.Errorf("the log does not name the call: %s", g.log.String())
			}
		})
	}
}
