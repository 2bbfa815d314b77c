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
		body := `{"tool": "gitops_get_manifest", "arguments": {"environment": "staging", "name": "` + name + `"}}`
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
	// One that could not be handed over is handed over later, in full.
	g.down.set("temporal", true)
	post(secret+" two", "two")
	g.down.set("temporal", false)
	late := post(secret+" two", "two")
	last := handedOver[len(handedOver)-1]
	if last.ID != late.ID || !strings.Contains(string(last.Arguments), secret+" two") || !last.ReceivedAt.Equal(g.ledger.Entries(late.ID)[0].Call.ReceivedAt) {
		t.Errorf("handed over later was %+v", last)
	}
}
