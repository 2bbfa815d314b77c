package api_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/sallyport/sallyport"
)

// triageBots are two tools that triage-bot can't tell apart: policy hides one, and
// the catalogue has not the other.
func triageBots() []string { return []string{"gitops_scale_deployment", "no_such_tool"} }

// TestMCPHiddenToolsJoinNothing: the same call twice is one call of a write alone
// that the agent may see.
func TestMCPHiddenToolsJoinNothing(t *testing.T) {
	g := newGateway(t)
	s := agentOf(t, g, "triage-bot", "2025-11-25", nil)
	for _, tool := range triageBots() {
		var ids []string
		for range 2 {
			_, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: map[string]any{"name": "api"}})
			wire, ok := errors.AsType[*jsonrpc.Error](err)
			var told struct {
				CallID string `json:"call_id"`
			}
			if !ok || json.Unmarshal(wire.Data, &told) != nil || told.CallID == "" {
				t.Fatalf("%s: %v", tool, err)
			}
			ids = append(ids, told.CallID)
		}
		if ids[0] == ids[1] {
			t.Errorf("%s: the second call is the first", tool)
		}
		if e := g.ledger.Entries(ids[0])[0]; e.Known.Tool || e.Call.Same != "" {
			t.Errorf("%s: the entry, whose leaf the agent reads, says %+v and that it is the same as %q", tool, e.Known, e.Call.Same)
		}
	}
}

// TestHiddenToolsRedactAsUnknown: which arguments are redacted does not tell that
// there is a tool. An agent that may not see it learns of all manifests at once,
// and what they redact is stored for no name that it makes up.
func TestHiddenToolsRedactAsUnknown(t *testing.T) {
	g := newGateway(t)
	g.options.Redactions = func(tool string) []string {
		return map[string][]string{"": {"/name", "/token"}, "gitops_scale_deployment": {"/token"}, "gitops_get_manifest": {"/name"}}[tool]
	}
	h := g.server(t).Handler()
	var told []string
	for _, tool := range triageBots() {
		var first, second response
		for i, secret := range []string{"correct horse", "battery staple"} {
			body := `{"tool": "` + tool + `", "arguments": {"token": "` + secret + `", "colour": "green"}, "reason": "the token is ` + secret + `"}`
			w := send(h, request(t, http.MethodPost, "/v1/calls", body, "Authorization", "Bearer triage-bot", "Idempotency-Key", "of-"+tool))
			first, second = second, decode(t, w)
			stored, err := json.Marshal(g.ledger.Entries(second.ID + second.CallID))
			if err != nil || strings.Contains(string(stored), secret) || i == 0 && !strings.Contains(string(stored), "green") {
				t.Errorf("%s: the ledger holds %s, %v", tool, stored, err)
			}
		}
		told = append(told, first.Code+" and then "+second.Code)
		if call := g.ledger.Entries(first.ID + first.CallID)[0].Call; strings.Join(call.Redact, " ") != "/name /token" {
			t.Errorf("%s: redacted is %q", tool, call.Redact)
		}
	}
	if told[0] != told[1] {
		t.Errorf("with a key and another value a hidden tool is told from an unknown one: %q", told)
	}
}

// TestNoWordOnVisibility: while policy does not say which tools an agent may see,
// the API takes no call, of whatever tool, as it lists none.
func TestNoWordOnVisibility(t *testing.T) {
	g := newGateway(t)
	g.down.set("policy", true)
	h := g.server(t).Handler()
	for _, tool := range append(triageBots(), "gitops_get_manifest") {
		w := send(h, request(t, http.MethodPost, "/v1/calls", `{"tool": "`+tool+`", "arguments": {}}`, "Authorization", "Bearer triage-bot"))
		if a := decode(t, w); w.Code != http.StatusServiceUnavailable || a.CallID+a.ID != "" && len(g.ledger.Entries(a.CallID+a.ID)) > 0 {
			t.Errorf("%s: %d %s", tool, w.Code, w.Body)
		}
	}
	page, err := g.ledger.Calls(t.Context(), sallyport.Query{})
	if err != nil || len(page.Records) > 0 {
		t.Errorf("the ledger holds %d calls, %v", len(page.Records), err)
	}
}
