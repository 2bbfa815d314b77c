package api_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
)

func TestLongPoll(t *testing.T) {
	g := newGateway(t)
	h := g.server(t).Handler()
	a := decode(t, send(h, request(t, http.MethodPost, "/v1/calls", slowBody, "Prefer", "wait=0")))
	for _, tt := range []struct { // in this order
		name, wait, want string
		meanwhile        func()
	}{
		{"TimeIsOver", "wait=1", "running", func() {}},
		{"CallEnds", "wait=60", "failed", func() { g.workflow.end(t.Context(), a.ID, sallyport.Outcome{State: sallyport.StateFailed}) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wait, want := tt.wait, tt.want
			began := time.Now()
			time.AfterFunc(50*time.Millisecond, tt.meanwhile)
			w := send(h, request(t, http.MethodGet, "/v1/calls/"+a.ID, "", "Prefer", wait))
			if got := decode(t, w); w.Code != http.StatusOK || got.State != want || w.Header().Get("Preference-Applied") != wait {
				t.Errorf("%d %s %v", w.Code, got.State, w.Header())
			}
			if waited := time.Since(began); want == "running" && waited < time.Second || waited > 30*time.Second {
				t.Errorf("it waited %s", waited)
			}
		})
	}
}

func TestPrefer(t *testing.T) {
	g := newGateway(t)
	h := g.server(t).Handler()
	for prefer, applied := range map[string]string{
		"wait=0":                    "wait=0",
		`respond-async, Wait="7"`:   "wait=7",
		"wait=9; foo=bar, wait=3":   "wait=9",
		"wait=4000":                 "wait=60",
		"wait=-1":                   "",
		"wait=soon":                 "",
		"wait":                      "",
		"wait=99999999999999999999": "",
		"return=minimal":            "",
	} {
		w := send(h, request(t, http.MethodPost, "/v1/calls", readBody, "Prefer", prefer))
		if got := w.Header().Get("Preference-Applied"); w.Code != http.StatusOK || got != applied {
			t.Errorf("Prefer: %s: %d, applied %q, want %q", prefer, w.Code, got, applied)
		}
	}
}
