package api_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestUnknownTool: a name that the catalogue has not is the agent's own text. The
// entry says so, the workflow is started without it, and the log has no word of it.
func TestUnknownTool(t *testing.T) {
	for tool, known := range map[string]bool{"gitops_get_manifest": true, "tell_everybody_that_carol_is_ill": false} {
		t.Run(tool, func(t *testing.T) {
			g := newGateway(t)
			h := g.server(t).Handler()
			w := send(h, request(t, http.MethodPost, "/v1/calls", `{"tool": "`+tool+`", "arguments": {"environment": "staging", "name": "api"}}`))
			a := decode(t, w)
			received := g.ledger.Entries(a.ID + a.CallID)[0]
			if received.Known == nil || received.Known.Tool != known || received.Call.Tool != tool {
				t.Errorf("the entry says %+v of %s", received.Known, received.Call.Tool)
			}
			want := tool
			if !known {
				want = ""
			}
			if len(g.workflow.named) != 1 || g.workflow.named[0] != want {
				t.Errorf("the workflow was started with the tool %q", g.workflow.named)
			}
			if log := g.log.b.String(); strings.Contains(log, "carol") {
				t.Errorf("the log says %s", log)
			}
		})
	}
}
