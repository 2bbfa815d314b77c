package api_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
)

// TestRejections: the ledger has the refusals of callers who may not vote. An
// agent's is recorded whatever others do; unknown callers cannot fill the ledger.
func TestRejections(t *testing.T) {
	g := newGateway(t)
	s := g.server(t)
	h := s.Handler()
	ask := `{"tool": "gitops_scale_deployment", "arguments": {"environment": "production", "name": "api", "replicas": 5}}`
	id := decode(t, send(h, request(t, http.MethodPost, "/v1/calls", ask))).ID
	vote := `{"verdict": "approve", "ballot": "sha256:0000000000000000000000000000000000000000000000000000000000000000"}`
	by := func(token string, want int) {
		t.Helper()
		w := send(h, request(t, http.MethodPost, "/v1/calls/"+id+"/votes", vote, "Authorization", "Bearer "+token))
		if w.Code != want {
			t.Fatalf("the response to %s is %d, want %d", token, w.Code, want)
		}
	}
	recorded := func(code string) (n int) {
		for _, e := range g.ledger.Entries(id) {
			if e.Kind == sallyport.EntryRefusal && e.Refusal.Code == code {
				n++
			}
		}
		return n
	}
	// until repeats a request till it is recorded: the log drops what exceeds its
	// bounds.
	until := func(code string, n int, do func(i int)) {
		t.Helper()
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for i := 0; recorded(code) < n; i++ {
			if i == 10_000 {
				t.Fatalf("%d refusals are recorded as %s, want %d", recorded(code), code, n)
			}
			do(i)
			<-tick.C
		}
	}
	unknown := sallyport.CodeOf(errUnknownToken(t, g))
	until(unknown, 20, func(i int) { by(fmt.Sprintf("stranger-%d", i), http.StatusUnauthorized) })
	for i := range 50 {
		by(fmt.Sprintf("another-%d", i), http.StatusUnauthorized)
	}
	until("not_a_person", 1, func(int) { by("deploy-bot", http.StatusForbidden) })
	by("deploy-bot", http.StatusForbidden)
	until("not_a_person", 2, func(int) { by("triage-bot", http.StatusForbidden) })
	if n := recorded(unknown); n != 20 {
		t.Errorf("%d unknown callers are recorded while the clock stands still, want 20", n)
	}
	if n := recorded("not_a_person"); n != 2 {
		t.Errorf("two agents are recorded %d times", n)
	}
	g.clock.advance(time.Minute)
	until(unknown, 21, func(i int) { by(fmt.Sprintf("later-%d", i), http.StatusUnauthorized) })
}

// errUnknownToken is the identifier's error for an unknown token.
func errUnknownToken(t *testing.T, g *gateway) error {
	t.Helper()
	_, err := g.options.Identifier.Identify(t.Context(), "unknown")
	return err
}
