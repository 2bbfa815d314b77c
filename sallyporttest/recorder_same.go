package sallyporttest

import (
	"sync"
	"testing"

	"github.com/sallyport/sallyport"
)

// repetition receives the n-th call, which repeats those of the same agent,
// session, tool and arguments that are open or ended up to so many seconds before.
func repetition(n int, session string, seconds int) sallyport.Entry {
	e := newStory(n).received()
	e.Call.Stated.Session = session
	e.Call.Same, e.Call.JoinSeconds = e.Call.SameDigest(), seconds
	return e
}

func testSameCalls(t *testing.T, l RecorderReader) {
	id := func(n int) string { return newStory(n).id }
	end := func(n int, state sallyport.State) {
		t.Helper()
		mustRecord(t, l, newStory(n).outcome(state))
	}
	joins := func(e sallyport.Entry, want, reason string) {
		t.Helper()
		_, err := l.Record(t.Context(), e)
		switch {
		case want == "" && err != nil:
			t.Errorf("%v: %s", err, reason)
		case want != "" && (sallyport.KindOf(err) != sallyport.Conflict || sallyport.CodeOf(err) != sallyport.CodeSameCall || sallyport.AsError(err).CallID != want):
			t.Errorf("error %v; want one that names call %s: %s", err, want, reason)
		}
	}
	joins(repetition(1, "a", 60), "", "it is the first")
	joins(repetition(2, "a", 60), id(1), "the first is open")
	joins(repetition(3, "b", 60), "", "another session is another purpose")
	joins(repetition(4, "a", 0), "", "it asks for a call of its own")
	joins(repetition(5, "a", 60), id(4), "the last one is the one to join")
	end(1, sallyport.StateDenied)
	end(4, sallyport.StateDenied)
	joins(repetition(6, "a", 60), id(4), "it ended seconds ago")
	joins(repetition(3600, "a", 60), "", "all of them ended long ago")
	joins(repetition(7, "c", 60), "", "it is the first of its session")
	end(7, sallyport.StateCancelled)
	joins(repetition(8, "c", 60), "", "nothing ran, and the other call was ended on purpose")
	for n := range 2 {
		joins(newStory(20+n).received(), "", "a call that says nothing repeats none")
	}
}

func testRacingSameCalls(t *testing.T, l RecorderReader) {
	const clients = 64
	found := make([]string, clients)
	var wg sync.WaitGroup
	for i := range clients {
		e := repetition(i, "a", 60)
		wg.Go(func() {
			r, err := l.Record(t.Context(), e)
			if found[i] = r.Entry.CallID; err != nil {
				found[i] = sallyport.AsError(err).CallID
			}
		})
	}
	wg.Wait()
	for _, id := range found {
		if id == "" || id != found[0] {
			t.Fatalf("clients got the calls %q and %q: one of many is recorded", found[0], id)
		}
	}
}
