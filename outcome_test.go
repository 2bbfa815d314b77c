package sallyport_test

import (
	"testing"

	"github.com/sallyport/sallyport"
)

func TestStates(t *testing.T) {
	open := map[sallyport.State]bool{sallyport.StatePending: true, sallyport.StateAwaitingApproval: true, sallyport.StateRunning: true}
	for _, s := range sallyport.States() {
		if s.Final() == open[s] {
			t.Errorf("%s: final %t", s, s.Final())
		}
		if s.Ran() && s.NeverRan() || s.Final() != (s.Ran() || s.NeverRan()) {
			t.Errorf("%s: ran %t, never ran %t", s, s.Ran(), s.NeverRan())
		}
	}
	if unknown := sallyport.State("done"); unknown.Final() || unknown.Ran() || unknown.NeverRan() {
		t.Error("a state that we don't know is taken for an end")
	}
}
