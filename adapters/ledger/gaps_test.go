package ledger_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/sallyporttest"
)

func (p place) archive(t testing.TB) *ledger.Archive {
	t.Helper()
	a, err := ledger.OpenArchive(t.Context(), p.database())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

// TestOpenCalls lists what has no outcome, whatever the projection says.
func TestOpenCalls(t *testing.T) {
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		p := newPlace(t)
		l := p.open(t)
		freeze, _ := freezing(1, sallyport.Freeze{Tool: "http_probe"})
		received, waits, runs, ended := sallyporttest.Approved(1), sallyporttest.Approved(2), sallyporttest.Approved(3), sallyporttest.Approved(4)
		mustRecord(t, l, received[0], freeze)
		mustRecord(t, l, waits[:5]...)
		mustRecord(t, l, runs[:7]...)
		mustRecord(t, l, ended...)
		p.exec(t, "UPDATE calls SET state = 'succeeded', final = 1")
		a := p.archive(t)
		got, err := a.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		open := func(e sallyport.Entry, started bool, until time.Time) ledger.OpenCall {
			return ledger.OpenCall{ID: e.CallID, Agent: "deploy-bot", Tool: "gitops_scale_deployment", Started: started, Last: e.At, Until: until}
		}
		want := []ledger.OpenCall{
			open(received[0], false, time.Time{}), open(waits[4], false, waits[3].Ballot.ExpiresAt), open(runs[6], true, time.Time{}),
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
		for id, want := range map[string]bool{received[0].CallID: true, sallyporttest.Approved(9)[0].CallID: false, "": false} {
			if has, err := a.Has(t.Context(), id); has != want || err != nil {
				t.Errorf("the log has leaves of %q: %t, %v", id, has, err)
			}
		}
	})
}

// TestWaitIsBounded: what the store says of a ballot does not make a call wait for
// longer than its leaf allows. The store can be changed unnoticed until the ledger
// is verified.
func TestWaitIsBounded(t *testing.T) {
	p := newPlace(t)
	l := p.open(t)
	story := sallyporttest.Approved(1)[:4]
	mustRecord(t, l, story...)
	p.exec(t, `UPDATE contents SET entry = CAST(replace(CAST(entry AS TEXT), '"expires_at":"2026', '"expires_at":"2999') AS BLOB)`)
	open, err := p.archive(t).Open(t.Context())
	if want := story[3].At.Add(sallyport.MaxTTLSeconds * time.Second); err != nil || len(open) != 1 || !open[0].Until.Equal(want) {
		t.Errorf("%v: %+v, want until %s", err, open, want)
	}
}

// TestExport reads the log from a leaf on, with what it commits to and without.
func TestExport(t *testing.T) {
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		p := newPlace(t)
		l := p.open(t)
		mustRecord(t, l, sallyporttest.Approved(1)...)
		mustRecord(t, l, sallyporttest.Approved(2)...)
		p.erase(t, sallyporttest.Approved(1)[0].CallID)
		a := p.archive(t)
		for contents, want := range map[bool]int{true: 9, false: 0} { // the second call's eight, and who erased the first
			var indexes []int64
			entries := 0
			var all bytes.Buffer
			err := a.Export(t.Context(), 3, contents, func(l ledger.ExportedLeaf) error {
				indexes = append(indexes, l.Index)
				if l.Entry != nil {
					entries++
				}
				return json.NewEncoder(&all).Encode(l)
			})
			if err != nil || len(indexes) != 14 || indexes[0] != 3 || indexes[13] != 16 || entries != want {
				t.Errorf("with contents %t: leaves %v, %d entries, %v; want %d", contents, indexes, entries, err, want)
			}
			if lines := strings.Count(all.String(), "\n"); lines != 14 || strings.Contains(all.String(), "p95 latency") != contents {
				t.Errorf("with contents %t: %d lines, %s", contents, lines, all.String())
			}
		}
	})
}
