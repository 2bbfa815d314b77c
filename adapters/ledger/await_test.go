package ledger

import (
	"path/filepath"
	"testing"

	"github.com/sallyport/sallyport/sallyporttest"
)

// TestOwnAppendsWake shows that an append of this process wakes waiters
// without a poll.
func TestOwnAppendsWake(t *testing.T) {
	w := newWatch()
	mine, theirs, other := w.add("a", 1), w.add("a", 1), w.add("b", 1)
	nothing, grown := w.grows(), w.grows()
	w.committed(0, 0, nil) // entries that were there already
	select {
	case <-nothing:
		t.Error("nothing was appended, and a follower is woken")
	default:
	}
	w.committed(0, 1, []string{"a"})
	select {
	case <-grown:
	default:
		t.Error("a follower is not woken")
	}
	if len(mine.woken) != 1 || len(theirs.woken) != 1 || len(other.woken) != 0 {
		t.Errorf("woken: %d, %d and, for another call, %d", len(mine.woken), len(theirs.woken), len(other.woken))
	}
	if ids := w.changed(1); ids != nil {
		t.Errorf("a poll would look again at %v", ids)
	}
	if ids := w.changed(2); len(ids) != 2 {
		t.Errorf("another process appended, and a poll looks at %v alone", ids)
	}

	key, err := CreateKey(filepath.Join(t.TempDir(), "key"), "ledger.example")
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(t.Context(), Options{Database: Database{Path: filepath.Join(t.TempDir(), "db")}, Signer: key})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Record(t.Context(), sallyporttest.Approved(1)[0]); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	// There was no waiter, so that nothing was polled: the writer set the size.
	if l.watch.size != 1 {
		t.Errorf("the writer told of %d entries, want 1", l.watch.size)
	}
}
