package ledger_test

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/sallyporttest/postgrestest"
)

// TestServerGoneWhileRecording kills the server under eight callers, again and
// again. Each tries a step until it is acknowledged: none is lost, and none is
// there twice.
func TestServerGoneWhileRecording(t *testing.T) {
	const callers, rounds = 8, 3
	pg := postgrestest.Start(t)
	p := placeOn(t, pg)
	l := p.open(t)
	var done atomic.Bool
	var acknowledged atomic.Int64
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			for n := caller; !done.Load(); n += callers {
				for _, e := range sallyporttest.Approved(n) {
					recordAtLast(t, l, e)
					acknowledged.Add(1)
				}
			}
		})
	}
	for range rounds {
		before := acknowledged.Load()
		eventually(t, "steps are recorded", func() bool { return acknowledged.Load() > before+50 })
		pg.Kill(t)
		pg.Restart(t)
	}
	done.Store(true)
	all.Wait()
	mustClose(t, l)
	if r := p.mustVerify(t); r.Leaves != acknowledged.Load() || r.Unsigned != 0 {
		t.Errorf("%d steps were acknowledged, and there are %d leaves, %d of them unsigned", acknowledged.Load(), r.Leaves, r.Unsigned)
	}
}

// TestCloseSignsAfterOutage closes a ledger whose idle connections the server
// has lost: the last signature is not lost with them.
func TestCloseSignsAfterOutage(t *testing.T) {
	pg := postgrestest.Start(t)
	p := placeOn(t, pg)
	l := p.open(t)
	mustRecord(t, l, sallyporttest.Approved(0)...)
	eventually(t, "all is signed", func() bool { return p.mustVerify(t).Unsigned == 0 })
	pg.Kill(t)
	pg.Restart(t)
	recordAtLast(t, l, sallyporttest.Approved(1)[0])
	mustClose(t, l)
	if r := p.mustVerify(t); r.Unsigned != 0 {
		t.Errorf("%d leaves are unsigned", r.Unsigned)
	}
}

// recordAtLast records a step as soon as the ledger lets it.
func recordAtLast(t *testing.T, l sallyport.Recorder, e sallyport.Entry) {
	for t.Context().Err() == nil {
		_, err := l.Record(t.Context(), e)
		if err == nil {
			return
		}
		if sallyport.KindOf(err) != sallyport.Unavailable {
			t.Errorf("recording the %s of call %s: %v", e.Kind, e.CallID, err)
			return
		}
	}
}

// TestFullDiskOfServer lets the server run into a limit of file sizes, which is
// for it what a full disk is.
func TestFullDiskOfServer(t *testing.T) {
	pg := postgrestest.Start(t)
	p := placeOn(t, pg)
	l := p.open(t)
	pg.LimitFiles(t, strconv.Itoa(1<<20)) // the server's own log stays below
	eventually(t, "the ledger is connected again", func() bool { return l.Ping(t.Context()) == nil })
	var written, refused []sallyport.Entry
	for n := 0; len(refused) < 20; n++ {
		story := sallyporttest.Approved(n)
		for i, e := range story {
			_, err := l.Record(t.Context(), e)
			if sallyport.KindOf(err) == sallyport.Unavailable {
				if err := l.Ping(t.Context()); sallyport.KindOf(err) != sallyport.Unavailable {
					t.Fatalf("Ping while the %s of call %d can't be written: %v", e.Kind, n, err)
				}
				refused = append(refused, story[i:]...)
				break
			}
			if err != nil || n > 10_000 {
				t.Fatalf("the disk should be full by now, and the error is %v", err)
			}
			written = append(written, e)
		}
	}
	pg.LimitFiles(t, "unlimited")
	eventually(t, "there is room again", func() bool { return l.Ping(t.Context()) == nil })
	for i, e := range append(written, refused...) {
		r, err := l.Record(t.Context(), e)
		if err != nil || r.Repeated != (i < len(written)) {
			t.Fatalf("entry %d of %d written and %d refused: repeated %t, %v", i, len(written), len(refused), r.Repeated, err)
		}
	}
	mustClose(t, l)
	p.mustVerify(t)
}
