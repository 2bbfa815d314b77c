package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Whatever an agent sends, the gateway is not at fault, a refused body makes
// no call, and every response is as openapi.yaml has it.
func FuzzSubmit(f *testing.F) {
	f.Add([]byte(readBody), "application/json", "")
	f.Add([]byte(slowBody), "application/json; charset=utf-8", "key")
	f.Add([]byte(`{"tool":"x","tool":"y","arguments":{}}`), "application/json", "k")
	f.Add([]byte(`{"tool":"gitops_get_manifest","arguments":{"n":9007199254740993}}`), "application/json", "")
	f.Add([]byte("{\"tool\":\"\xff\",\"arguments\":{}}"), "application/json", "\x00")
	f.Add([]byte(strings.Repeat("[", 40)), "text/plain", " ")
	f.Add([]byte(`{"tool":"gitops_get_manifest","arguments":{}} null`), "application/json", "")
	f.Add([]byte(`{"Tool":"gitops_get_manifest","arguments":null,"reason":null}`), "application/json", "")
	c := loadContract(f)
	f.Fuzz(func(t *testing.T, body []byte, contentType, key string) {
		g := newGateway(t)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/calls", strings.NewReader(string(body)))
		r.Header.Set("Authorization", "Bearer deploy-bot")
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Prefer", "wait=0")
		if key != "" {
			r.Header.Set("Idempotency-Key", key)
		}
		w := send(g.server(t).Handler(), r)
		if w.Code >= http.StatusInternalServerError && w.Code != http.StatusBadGateway { // the call itself can end ambiguous
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		refused := w.Code == http.StatusBadRequest || w.Code == http.StatusRequestEntityTooLarge || w.Code == http.StatusUnsupportedMediaType
		if refused && g.workflow.calls() != 0 {
			t.Errorf("%d, and a call was started", w.Code)
		}
		if !refused && g.workflow.calls() != 1 {
			t.Errorf("%d, and no call was started", w.Code)
		}
		if err := c.check(http.MethodPost, "/v1/calls", w.Code, w.Header(), w.Body.Bytes()); err != nil {
			t.Error(err)
		}
	})
}

// Whatever an agent sends by MCP, the gateway is not at fault, and makes at most
// one call of it.
func FuzzMCP(f *testing.F) {
	f.Add([]byte(ping), "")
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`), "2025-06-18")
	f.Add([]byte(`{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"gitops_get_manifest","arguments":{"sallyport_reason":"r"},"_meta":{"dev.sallyport/session":"s","dev.sallyport/wait-seconds":0}}}`), "2025-11-25")
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_calls","arguments":{"since":"x","state":[]}}}`), "2025-11-25")
	f.Add([]byte(`{"jsonrpc":"2.0","id":null,"method":"tools/call","params":null}`), "2024-11-05")
	f.Add([]byte(`{"jsonrpc":"2.0","id":1.5,"method":"initialize","params":{"protocolVersion":7}}`), "")
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"result":{}}`), "2025-11-25")
	f.Fuzz(func(t *testing.T, body []byte, revision string) {
		g := newGateway(t)
		g.options.MaxWait = time.Second // for calls that do not end
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/mcp", strings.NewReader(string(body)))
		r.Header.Set("Authorization", "Bearer deploy-bot")
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
		if revision != "" {
			r.Header.Set("Mcp-Protocol-Version", revision)
		}
		w := send(g.server(t).Handler(), r)
		if w.Code >= http.StatusInternalServerError || strings.Contains(g.log.String(), "panicked") {
			t.Fatalf("%d %s\n%s", w.Code, w.Body, g.log)
		}
		if n := g.workflow.calls(); n > 1 {
			t.Errorf("%d calls were started", n)
		}
	})
}
