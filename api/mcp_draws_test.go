package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/api"
)

// TestMCPEveryMessageDraws: also a message that reaches no operation costs a read.
// What an agent may not send without end, it may not send misspelt either.
func TestMCPEveryMessageDraws(t *testing.T) {
	for name, message := range map[string]string{
		"NoJSON":              `{"jsonrpc": "2.0", "id": 1,`,
		"Duplicate":           `{"jsonrpc": "2.0", "id": 1, "id": 2, "method": "ping"}`,
		"Batch":               `[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]`,
		"NoMessage":           `{"hello": "world"}`,
		"UnknownMethod":       `{"jsonrpc": "2.0", "id": 1, "method": "tools/destroy"}`,
		"UnservedMethod":      `{"jsonrpc": "2.0", "id": 1, "method": "prompts/list"}`,
		"MalformedCall":       `{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": 7}}`,
		"CallWithoutParams":   `{"jsonrpc": "2.0", "id": 1, "method": "tools/call"}`,
		"Ping":                `{"jsonrpc": "2.0", "id": 1, "method": "ping"}`,
		"Notification":        `{"jsonrpc": "2.0", "method": "notifications/initialized"}`,
		"UnknownNotification": `{"jsonrpc": "2.0", "method": "notifications/destroyed"}`,
		"MalformedNote":       `{"jsonrpc": "2.0", "method": "notifications/progress", "params": {"message": 7}}`,
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			g.options.ReadLimit = api.RateLimit{PerSecond: 0.001, Burst: 3}
			h := g.server(t).Handler()
			post := func() (status int, body string) {
				w := send(h, request(t, http.MethodPost, "/mcp", message, "Accept", "application/json, text/event-stream", "Mcp-Protocol-Version", "2025-11-25"))
				return w.Code, w.Body.String()
			}
			for i := range 3 {
				if status, body := post(); status == http.StatusTooManyRequests || strings.Contains(body, "rate_limited") {
					t.Fatalf("message %d is refused already: %d %s", i, status, body)
				}
			}
			if status, body := post(); !strings.Contains(body, "rate_limited") || strings.Count(body, "jsonrpc") > 1 {
				t.Errorf("after the share the answer is still %d %s", status, body)
			}
			if w := send(h, request(t, http.MethodPost, "/v1/calls", `{"tool": "gitops_get_manifest", "arguments": {}}`)); w.Code != http.StatusOK {
				t.Errorf("a call draws from another share: %d %s", w.Code, w.Body)
			}
		})
	}
}
