package ledger_test

import (
	"testing"
	"time"

	"github.com/sallyport/sallyport/sallyporttest"
)

// TestClockGoesBackwards records steps whose times jump back by hours, within a
// call and from call to call: nothing is refused, and their order is that of the
// log, whatever their times say.
func TestClockGoesBackwards(t *testing.T) {
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		p := newPlace(t)
		l := p.open(t)
		next := int64(0)
		for n := range 3 {
			story := sallyporttest.Approved(9 - n)
			for i := range story {
				story[i].At = story[i].At.Add(-time.Duration(next) * time.Hour)
				r, err := l.Record(t.Context(), story[i])
				if err != nil || r.Index != next || r.Number != i {
					t.Errorf("step %d of call %d: index %d, number %d, %v; want index %d", i, n, r.Index, r.Number, err, next)
				}
				next++
			}
			for i, e := range story {
				r, err := l.Record(t.Context(), e)
				if err != nil || !r.Repeated || !r.Entry.At.Equal(e.At) || r.Number != i {
					t.Errorf("step %d of call %d again: number %d at %s, repeated %t, %v; want %s", i, n, r.Number, r.Entry.At, r.Repeated, err, e.At)
				}
			}
		}
		mustClose(t, l)
		if r := p.mustVerify(t); r.Leaves != next || r.Unsigned != 0 || len(r.Unfinished) != 0 {
			t.Errorf("%d leaves, %d of them unsigned, unfinished %v; want %d leaves", r.Leaves, r.Unsigned, r.Unfinished, next)
		}
	})
}
