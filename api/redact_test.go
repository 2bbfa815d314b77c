package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport/sallyport"
)

// TestRedactedArguments: redacted arguments reach the workflow, and neither the
// ledger nor a response nor the log.
func TestRedactedArguments(t *testing.T) {
	const secret = "correct horse"
	g := newGateway(t)
	g.options.Redactions = func(tool string) []string {
		if tool == "gitops_get_manifest" {
			return []string{"/name"}
		}
		return nil
	}
	var handedOver []sallyport.Call
	g.workflow.opened = func(c sallyport.Call) { handedOver = append(handedOver, c) }
	h := g.server(t).Handler()
	post := func(name, key string) response {
		body := `{"tool": "gitops_get_manifest", "arguments": {"environment": "staging", "name": "` + name + `"}, "reason": "it is ` + name + `"}`
		w := send(h, request(t, http.MethodPost, "/v1/calls", body, "Idempotency-Key", key))
		if strings.Contains(w.Body.String(), secret) {
			t.Errorf("the response says %s", w.Body)
		}
		return decode(t, w)
	}
	a := post(secret, "one")
	stored, err := json.Marshal(g.ledger.Entries(a.ID))
	if err != nil || strings.Contains(string(stored), secret) || strings.Contains(g.log.b.String(), secret) {
		t.Errorf("the ledger holds %s; the log says %s", stored, g.log.b.String())
	}
	var kept sallyport.Call
	received := g.ledger.Entries(a.ID)[0]
	if err := unseal(string(received.Signed), &kept); err != nil || string(kept.Arguments) != string(received.Call.Arguments) || len(kept.Seal) > 0 {
		t.Errorf("the call that is stored is not the one that was signed for it: %+v, %v", kept, err)
	}
	if len(handedOver) != 1 || !strings.Contains(string(handedOver[0].Arguments), secret) || len(handedOver[0].Seal) != 32 {
		t.Fatalf("handed over was %+v", handedOver)
	}
	if again := post("another secret", "one"); again.ID != a.ID {
		t.Errorf("the same key is call %s, and then %s", a.ID, again.ID)
	}
}

// TestRedactedCallsAreHandedOverOnce: the ledger received one value, and no
// request with the same key hands over another. Where the hand-over failed, the
// call ends, since nothing holds the value any more.
func TestRedactedCallsAreHandedOverOnce(t *testing.T) {
	for name, unrecorded := range map[string]bool{"Ended": false, "StillPending": true} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			g.options.Redactions = func(string) []string { return []string{"/name"} }
			handedOver := 0
			g.workflow.opened = func(sallyport.Call) { handedOver++ }
			h := g.server(t).Handler()
			post := func(name string) response {
				body := `{"tool": "gitops_get_manifest", "arguments": {"environment": "staging", "name": "` + name + `"}}`
				return decode(t, send(h, request(t, http.MethodPost, "/v1/calls", body, "Idempotency-Key", "k", "Prefer", "wait=0")))
			}
			g.down.set("temporal", true)
			g.ledger.Fail = func(e sallyport.Entry) error {
				if unrecorded && e.Kind == sallyport.EntryOutcome {
					return sallyport.Errorf(sallyport.Unavailable, "down", "the ledger is away")
				}
				return nil
			}
			first := post("one")
			g.down.set("temporal", false)
			second := post("another")
			if handedOver != 0 {
				t.Fatalf("handed over was %d times what another request brought", handedOver)
			}
			record, err := g.ledger.Call(t.Context(), second.CallID+second.ID)
			want := map[bool]sallyport.State{false: sallyport.StateCancelled, true: sallyport.StatePending}[unrecorded]
			if err != nil || first.Code != "not_started" || record.State != want {
				t.Errorf("the first request is answered with %q, and the call is %s, %v; want %s", first.Code, record.State, err, want)
			}
		})
	}
}
