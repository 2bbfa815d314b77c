package sallyporttest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
)

// RecorderReader is a ledger under test.
type RecorderReader interface {
	sallyport.Recorder
	sallyport.Reader
	// Sweepable is, oldest first, what has not ended and whose last entry is
	// later than after and earlier than before.
	Sweepable(ctx context.Context, after, before time.Time, limit int) ([]sallyport.Record, error)
}

// TestRecorder checks that a ledger keeps the contracts of
// [sallyport.Recorder] and [sallyport.Reader]. Every test opens an empty one.
func TestRecorder(t *testing.T, open func(t *testing.T) RecorderReader) {
	for name, test := range map[string]func(*testing.T, RecorderReader){
		"Story":             testStory,
		"Fidelity":          testFidelity,
		"Repeated":          testRepeated,
		"Conflicts":         testConflicts,
		"BadEntry":          testBadEntry,
		"EndedContext":      testEndedContext,
		"RacingStarts":      testRacingStarts,
		"ManyCalls":         testManyCalls,
		"RacingEnds":        testRacingEnds,
		"UnknownCall":       testUnknownCall,
		"Await":             testAwait,
		"AwaitManyWaiters":  testAwaitManyWaiters,
		"AwaitEnds":         testAwaitEnds,
		"CallsNewestFirst":  testCallsNewestFirst,
		"CallsSelected":     testCallsSelected,
		"CallsFound":        testCallsFound,
		"CallsPaged":        testCallsPaged,
		"CallsBadQueries":   testCallsBadQueries,
		"History":           testHistory,
		"SweepableOldCalls": testSweepable,
		"CallsThatWait":     testCallsThatWait,
		"SameCalls":         testSameCalls,
		"RacingSameCalls":   testRacingSameCalls,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// mustRecord records entries of which none may be refused.
func mustRecord(t *testing.T, l sallyport.Recorder, entries ...sallyport.Entry) []sallyport.Receipt {
	t.Helper()
	var receipts []sallyport.Receipt
	for _, e := range entries {
		r, err := l.Record(t.Context(), e)
		if err != nil {
			t.Fatalf("recording the %s of call %s: %v", e.Kind, e.CallID, err)
		}
		receipts = append(receipts, r)
	}
	return receipts
}

func mustCall(t *testing.T, l sallyport.Reader, id string) sallyport.Record {
	t.Helper()
	r, err := l.Call(t.Context(), id)
	if err != nil {
		t.Fatalf("call %s: %v", id, err)
	}
	return r
}

func wantKind(t *testing.T, err error, want sallyport.Kind, reason string) {
	t.Helper()
	if err == nil || sallyport.KindOf(err) != want {
		t.Errorf("error %v; want one of kind %s: %s", err, want, reason)
	}
}

// fold is what entries add up to.
func fold(t *testing.T, entries ...sallyport.Entry) sallyport.Record {
	t.Helper()
	var r sallyport.Record
	for _, e := range entries {
		next, err := r.Apply(e)
		if err != nil {
			t.Fatal(err)
		}
		r = next
	}
	return r
}

func testStory(t *testing.T, l RecorderReader) {
	entries := newStory(1).approved()
	for i, r := range mustRecord(t, l, entries...) {
		if r.Number != i || r.Repeated || !r.Leaf.Valid() || r.Index != int64(i) {
			t.Errorf("receipt %d: number %d, index %d, leaf %q, repeated %t", i, r.Number, r.Index, r.Leaf, r.Repeated)
		}
		if d := cmp.Diff(entries[i], r.Entry); d != "" {
			t.Errorf("the receipt of entry %d carries another (-want +got)\n%s", i, d)
		}
	}
	if d := cmp.Diff(fold(t, entries...), mustCall(t, l, entries[0].CallID)); d != "" {
		t.Errorf("the record is not what its entries add up to (-want +got)\n%s", d)
	}
}

// testFidelity records values that a careless encoding changes.
func testFidelity(t *testing.T, l RecorderReader) {
	s := newStory(1)
	received, end := s.received(), s.outcome(sallyport.StateSucceeded)
	received.At = received.At.In(time.FixedZone("", 2*60*60)).Add(123456789)
	received.Call.Arguments = []byte(`{"text":"<a href=\"x\">&</a>","zero":0}`)
	end.Outcome.Result = []byte(`{"big":12345678901234567890,"empty":{},"list":[],"tags":"<b>&"}`)
	end.Outcome.Error = &sallyport.Failure{Code: "odd", Message: "line\u2028separator \u0000 \u202e end"}
	entries := []sallyport.Entry{received, s.start("sandbox"), end}
	mustRecord(t, l, entries...)
	got := mustCall(t, l, s.id)
	if d := cmp.Diff(fold(t, entries...), got, cmp.Comparer(time.Time.Equal)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if string(got.Call.Arguments) != string(received.Call.Arguments) {
		t.Errorf("arguments %s, want %s", got.Call.Arguments, received.Call.Arguments)
	}
	for n, result := range []string{`{}`, `[]`, `""`, `null`, `0`} {
		s := newStory(10 + n)
		end := s.outcome(sallyport.StateFailed)
		end.Outcome.Result = []byte(result)
		mustRecord(t, l, s.received(), s.start("sandbox"), end)
		if got := mustCall(t, l, s.id).Outcome.Result; string(got) != result {
			t.Errorf("result %q, want %q: an empty result is one", got, result)
		}
	}
	// Text that is no UTF-8 is made so, and doesn't keep a call from ending.
	s = newStory(3)
	end = s.outcome(sallyport.StateFailed)
	end.Outcome.Error = &sallyport.Failure{Code: "tool_failed", Message: "bad \xff byte"}
	mustRecord(t, l, s.received(), s.start("sandbox"), end)
	if got := mustCall(t, l, s.id).Outcome.Error.Message; got != "bad \ufffd byte" {
		t.Errorf("message %q", got)
	}
	// Nor does a byte that a database takes for the end of a text.
	s = newStory(5)
	s.tool = "http\x00probe"
	mustRecord(t, l, s.received(), s.outcome(sallyport.StateInvalid))
	if got := mustCalls(t, l, sallyport.Query{Tool: s.tool}).Records; len(got) != 1 || got[0].Call.Tool != s.tool {
		t.Errorf("%d calls of the tool %q", len(got), s.tool)
	}
	// What the caller does with its entry afterwards is its own business.
	s = newStory(4)
	received = s.received()
	r := mustRecord(t, l, received)[0]
	received.Call.Arguments[0], r.Entry.Call.Arguments[0] = '!', '!'
	if got := mustCall(t, l, s.id).Call.Arguments; got[0] == '!' {
		t.Error("the ledger shares memory with its callers")
	}
}

func testRepeated(t *testing.T, l RecorderReader) {
	s := newStory(1)
	first := mustRecord(t, l, s.received(), s.start("sandbox"))
	again := s.start("elsewhere")
	again.At = again.At.Add(time.Hour)
	for range 2 {
		r := mustRecord(t, l, again)[0]
		want := first[1]
		want.Repeated = true
		if d := cmp.Diff(want, r); d != "" {
			t.Errorf("a repeated start must return the stored one (-want +got)\n%s", d)
		}
	}
	mustRecord(t, l, s.outcome(sallyport.StateAmbiguous))
	if r := mustRecord(t, l, s.outcome(sallyport.StateSucceeded))[0]; !r.Repeated || r.Entry.Outcome.State != sallyport.StateAmbiguous {
		t.Errorf("outcome %s (repeated %t); the first outcome governs", r.Entry.Outcome.State, r.Repeated)
	}
	if r := mustRecord(t, l, again)[0]; !r.Repeated {
		t.Error("a start that is in the ledger is repeated, not refused, after the outcome too")
	}
	if r := mustCall(t, l, s.id); r.Entries != 3 || r.State != sallyport.StateAmbiguous || r.Start.Runner != "sandbox" {
		t.Errorf("record: %d entries, %s, ran in %s; repeating must change nothing", r.Entries, r.State, r.Start.Runner)
	}
	// The same key of another kind, and another key of the same kind, are other entries.
	s = newStory(2)
	mustRecord(t, l, s.received(), s.decision("a", sallyport.Allow))
	if r := mustRecord(t, l, s.decision("b", sallyport.Allow), s.refusal("a")); r[0].Repeated || r[1].Repeated {
		t.Error("entries that differ in key or kind were taken for one")
	}
}

func testConflicts(t *testing.T, l RecorderReader) {
	for i, tt := range []struct {
		reason string
		before func(story) []sallyport.Entry
		entry  func(story) sallyport.Entry
	}{
		{
			"a call that was never received can't start", func(story) []sallyport.Entry { return nil },
			func(s story) sallyport.Entry { return s.start("sandbox") },
		},
		{
			"nor end", func(story) []sallyport.Entry { return nil },
			func(s story) sallyport.Entry { return s.outcome(sallyport.StateDenied) },
		},
		{"what has ended can't start", func(s story) []sallyport.Entry {
			return []sallyport.Entry{s.received(), s.outcome(sallyport.StateCancelled)}
		}, func(s story) sallyport.Entry { return s.start("sandbox") }},
		{"what has started did run", func(s story) []sallyport.Entry {
			return []sallyport.Entry{s.received(), s.start("sandbox")}
		}, func(s story) sallyport.Entry { return s.outcome(sallyport.StateCancelled) }},
		{"what never started did not run", func(s story) []sallyport.Entry {
			return []sallyport.Entry{s.received()}
		}, func(s story) sallyport.Entry { return s.outcome(sallyport.StateSucceeded) }},
		{"a call is received once", func(s story) []sallyport.Entry {
			return []sallyport.Entry{s.received()}
		}, func(s story) sallyport.Entry {
			e := s.received()
			e.Key = "again"
			return e
		}},
		{"a call that has ended gets no decision", func(s story) []sallyport.Entry {
			return []sallyport.Entry{s.received(), s.outcome(sallyport.StateDenied)}
		}, func(s story) sallyport.Entry { return s.decision("late", sallyport.Allow) }},
	} {
		s := newStory(i)
		before := tt.before(s)
		mustRecord(t, l, before...)
		_, err := l.Record(t.Context(), tt.entry(s))
		wantKind(t, err, sallyport.Conflict, tt.reason)
		if r, err := l.Call(t.Context(), s.id); err == nil && r.Entries != len(before) {
			t.Errorf("%s: the refused entry was counted", tt.reason)
		}
	}
}

func testBadEntry(t *testing.T, l RecorderReader) {
	s := newStory(1)
	mustRecord(t, l, s.received())
	unmarked := s.start("sandbox")
	unmarked.At = time.Time{}
	garbled := s.outcome(sallyport.StateCancelled)
	garbled.Outcome.Result = []byte(`{"cut off`)
	for reason, e := range map[string]sallyport.Entry{
		"it carries nothing":        {CallID: s.id, Kind: sallyport.EntryVote, At: s.at},
		"it has no time":            unmarked,
		"its kind is none":          {CallID: s.id, Kind: "gossip", At: s.at},
		"its call's id is none":     {CallID: "../etc", Kind: sallyport.EntryStart, At: s.at, Start: &sallyport.Start{}},
		"its outcome is not final":  s.outcome(sallyport.StateRunning),
		"its result is not JSON":    garbled,
		"an outcome has no key":     s.keyed(s.outcome(sallyport.StateCancelled), "x"),
		"it speaks of another call": newStory(2).keyedTo(s.received()),
	} {
		_, err := l.Record(t.Context(), e)
		wantKind(t, err, sallyport.Invalid, reason)
	}
	if r := mustCall(t, l, s.id); r.Entries != 1 {
		t.Errorf("%d entries, want 1", r.Entries)
	}
}

func testEndedContext(t *testing.T, l RecorderReader) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := newStory(1)
	_, err := l.Record(ctx, s.received())
	wantKind(t, err, sallyport.Unavailable, "the caller cancelled it")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v hides that the context ended", err)
	}
	mustRecord(t, l, s.received())
}

func testRacingStarts(t *testing.T, l RecorderReader) {
	const racers = 64
	s := newStory(1)
	mustRecord(t, l, s.received())
	receipts := make([]sallyport.Receipt, racers)
	errs := make([]error, racers)
	race(racers, func(i int) { receipts[i], errs[i] = l.Record(t.Context(), s.start(fmt.Sprintf("runner-%d", i))) })
	first := 0
	for i, r := range receipts {
		if errs[i] != nil {
			t.Fatal(errs[i])
		}
		if !r.Repeated {
			first++
		}
		if r.Entry.Start.Runner != receipts[0].Entry.Start.Runner || r.Number != 1 || r.Leaf != receipts[0].Leaf {
			t.Errorf("racer %d was told of another start than racer 0", i)
		}
	}
	if first != 1 {
		t.Errorf("%d of %d racing starts were the first", first, racers)
	}
}

func testManyCalls(t *testing.T, l RecorderReader) {
	const calls = 48
	errs := make([]error, calls)
	race(calls, func(i int) {
		for _, e := range newStory(i).approved() {
			if _, err := l.Record(t.Context(), e); err != nil {
				errs[i] = err
				return
			}
		}
	})
	for i, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
		s := newStory(i)
		if d := cmp.Diff(fold(t, s.approved()...), mustCall(t, l, s.id)); d != "" {
			t.Fatalf("call %d (-want +got)\n%s", i, d)
		}
	}
}

// testRacingEnds lets a cancellation race the start: one of them wins.
func testRacingEnds(t *testing.T, l RecorderReader) {
	for n := range 8 {
		s := newStory(n)
		mustRecord(t, l, s.received())
		errs := make([]error, 2)
		race(2, func(i int) {
			e := []sallyport.Entry{s.start("sandbox"), s.outcome(sallyport.StateCancelled)}[i]
			_, errs[i] = l.Record(t.Context(), e)
		})
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("start: %v; cancellation: %v; exactly one must be refused", errs[0], errs[1])
		}
		wantKind(t, errors.Join(errs...), sallyport.Conflict, "the loser came too late")
	}
}

// race runs f n times at once.
func race(n int, f func(i int)) {
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-gate
			f(i)
		})
	}
	close(gate)
	wg.Wait()
}
