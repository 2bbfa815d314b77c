package api_test

import (
	"net/http"
	"testing"
)

// TestErased: of a call whose contents were erased there is a proof and no
// more, and its key names no other call.
func TestErased(t *testing.T) {
	g := newGateway(t)
	h := g.server(t).Handler()
	id := decode(t, send(h, request(t, http.MethodPost, "/v1/calls", readBody, "Idempotency-Key", "once"))).ID
	g.ledger.Erase(id)
	for _, tt := range []struct {
		who, method, target string
		status              int
		code                string
	}{
		{"deploy-bot", http.MethodPost, "/v1/calls", http.StatusConflict, "erased"},
		{"deploy-bot", http.MethodGet, "/v1/calls/" + id, http.StatusNotFound, "no_call"},
		{"deploy-bot", http.MethodGet, "/v1/calls/" + id + "/proof", http.StatusNotFound, "no_call"},
		{"olga", http.MethodGet, "/v1/calls/" + id, http.StatusNotFound, "erased"},
		{"olga", http.MethodGet, "/v1/calls/" + id + "/proof", http.StatusNotFound, "erased"},
		{"audra", http.MethodGet, "/v1/calls/" + id, http.StatusNotFound, "erased"},
		{"audra", http.MethodGet, "/v1/calls/" + id + "/proof", http.StatusOK, ""},
		{"audra", http.MethodGet, "/v1/calls/aaaaaaaaaaaaaaaaaaaaaaaaaa/proof", http.StatusNotFound, "no_call"},
		{"audra", http.MethodGet, "/v1/calls/nonsense/proof", http.StatusNotFound, "no_call"},
	} {
		w := send(h, request(t, tt.method, tt.target, readBody, "Idempotency-Key", "once", "Authorization", "Bearer "+tt.who))
		if a := decode(t, w); w.Code != tt.status || a.Code != tt.code {
			t.Errorf("%s %s of %s: %d %q, want %d %q", tt.method, tt.target, tt.who, w.Code, a.Code, tt.status, tt.code)
		}
	}
	if n := g.workflow.started[id]; n != 1 {
		t.Errorf("the call was started %d times", n)
	}
}
