package ledger_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/sallyporttest"
)

// steps reads the steps from a leaf on, in pages, as "<call>/<kind>".
func steps(t *testing.T, l *ledger.Ledger, from int64, page int) []string {
	t.Helper()
	var all []string
	for {
		got, next, err := l.AskedSteps(t.Context(), from, page)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range got {
			if s.Index < from || s.Index >= next {
				t.Errorf("leaf %d in a page from %d to %d", s.Index, from, next)
			}
			if want := s.Before.Entries; want == 0 || s.Before.Call.ID != s.Entry.CallID {
				t.Errorf("leaf %d of call %s comes after %d entries of call %q", s.Index, s.Entry.CallID, want, s.Before.Call.ID)
			}
			all = append(all, s.Entry.CallID+"/"+string(s.Entry.Kind))
		}
		if next == from {
			return all
		}
		from = next
	}
}

// allowed are the entries of a call that policy allows without approval.
func allowed(n int) []sallyport.Entry {
	var kept []sallyport.Entry
	for _, e := range sallyporttest.Approved(n) {
		switch e.Kind {
		case sallyport.EntryBallot, sallyport.EntryVote, sallyport.EntryRefusal:
			continue
		case sallyport.EntryStart:
			e.Start.Ballot, e.Start.People = "", nil
		default:
		}
		kept = append(kept, e)
	}
	return kept
}

func TestAskedSteps(t *testing.T) {
	l := newPlace(t).open(t)
	one, two := sallyporttest.Approved(1), sallyporttest.Approved(2)
	mustRecord(t, l, one[:4]...)
	mustRecord(t, l, allowed(3)...)
	mustRecord(t, l, two...)
	mustRecord(t, l, one[4:]...)
	a, b := one[0].CallID, two[0].CallID
	want := []string{a + "/ballot", b + "/ballot", b + "/start", b + "/outcome", a + "/start", a + "/outcome"}
	for _, page := range []int{1, 3, 1000} {
		if d := cmp.Diff(want, steps(t, l, 0, page)); d != "" {
			t.Errorf("in pages of %d (-want +got)\n%s", page, d)
		}
	}
	if d := cmp.Diff(want[4:], steps(t, l, 17, 1000)); d != "" {
		t.Errorf("from the middle (-want +got)\n%s", d)
	}
	// A step comes with what its call was then, and not with what it is now.
	got, _, err := l.AskedSteps(t.Context(), 0, 4)
	if err != nil || len(got) != 1 {
		t.Fatalf("%d steps, %v; want one", len(got), err)
	}
	if r := got[0].Before; r.Entries != 3 || r.State != sallyport.StatePending || r.Ballot != nil || r.Plan == nil {
		t.Errorf("the ballot came to a call that was %s, with %d entries", r.State, r.Entries)
	}
	if _, next, err := l.AskedSteps(t.Context(), 1000, 10); err != nil || next != 1000 {
		t.Errorf("beyond the end: %d, %v", next, err)
	}
}

// TestAskedStepsLeaveOut shows that AskedSteps skips a call whose contents are
// gone or broken, and returns the others.
func TestAskedStepsLeaveOut(t *testing.T) {
	for name, change := range map[string]string{
		"Erased":  "UPDATE contents SET entry = NULL WHERE idx < 8",
		"Missing": "DELETE FROM contents WHERE idx = 1",
		"Broken":  "UPDATE contents SET entry = CAST('{' AS BLOB) WHERE idx = 0",
		"Other":   "UPDATE contents SET entry = (SELECT entry FROM contents WHERE idx = 0) WHERE idx = 1",
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			var log bytes.Buffer
			l, err := ledger.Open(t.Context(), ledger.Options{Database: p.database(), Signer: p.key, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			defer mustClose(t, l)
			two := sallyporttest.Approved(2)
			mustRecord(t, l, sallyporttest.Approved(1)...)
			mustRecord(t, l, two...)
			p.edit(t).exec(change)
			got := steps(t, l, 0, 1000)
			for _, kind := range []string{"/ballot", "/start", "/outcome"} {
				if !slices.Contains(got, two[0].CallID+kind) {
					t.Errorf("the other call's%s is left out too: %v", kind, got)
				}
			}
			if len(got) != 3 {
				t.Errorf("%v, want the other call's alone", got)
			}
			// Erasing is in order; anything else is for operators to know of.
			if quiet := !strings.Contains(log.String(), "level=ERROR"); quiet != (name == "Erased" || name == "Missing") {
				t.Errorf("the log: %s", log.String())
			}
		})
	}
}

func TestPositions(t *testing.T) {
	p := newPlace(t)
	l := p.open(t)
	position := func(l *ledger.Ledger, follower string, want int64) {
		t.Helper()
		if got, err := l.Position(t.Context(), follower); err != nil || got != want {
			t.Errorf("%s stands at %d, %v; want %d", follower, got, err, want)
		}
	}
	advance := func(to int64) {
		t.Helper()
		if err := l.Advance(t.Context(), "a", to); err != nil {
			t.Fatal(err)
		}
	}
	mustRecord(t, l, sallyporttest.Approved(1)...)
	position(l, "a", 8) // the past is not told
	mustRecord(t, l, sallyporttest.Approved(2)...)
	position(l, "a", 8)
	position(l, "b", 16)
	advance(11)
	position(l, "a", 11)
	advance(9) // another process of the same name is behind
	position(l, "a", 11)
	mustClose(t, l)

	l = p.open(t)
	position(l, "a", 11)
	p.mustVerify(t)
	mustClose(t, l)
	if err := l.Advance(t.Context(), "a", 12); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("a closed ledger: %v", err)
	}
}

// TestEarlierLedger opens and verifies a ledger from before there were
// followers and migrations.
func TestEarlierLedger(t *testing.T) {
	p := newPlace(t)
	l := p.open(t)
	mustRecord(t, l, sallyporttest.Approved(1)...)
	mustClose(t, l)
	p.edit(t).exec("DROP TABLE followers; DROP TABLE goose_db_version; DROP TABLE freezes; DROP TABLE terms; DROP TABLE counters; ALTER TABLE calls DROP COLUMN bytes; DROP INDEX calls_open_agent; DROP INDEX calls_tool; DROP INDEX calls_namespace; DROP INDEX calls_agent_state")
	if _, err := p.verify(t); err == nil || !strings.Contains(err.Error(), "of this version") {
		t.Errorf("verifying it as it is: %v", err)
	}
	if n := len(p.edit(t).rows("SELECT 1 FROM sqlite_schema WHERE name = 'followers'")); n != 0 {
		t.Error("verifying changed the database")
	}
	l = p.open(t)
	if at, err := l.Position(t.Context(), "a"); err != nil || at != 8 {
		t.Errorf("it stands at %d, %v; want 8", at, err)
	}
	if n, err := ledger.Rebuild(t.Context(), p.database()); err != nil || n != 1 {
		t.Errorf("making its projection anew: %d calls, %v", n, err)
	}
	p.mustVerify(t)
}

// TestForeignDatabase: what is no ledger is refused as it is.
func TestForeignDatabase(t *testing.T) {
	p := newPlace(t)
	e := p.edit(t)
	e.exec("CREATE TABLE theirs (a)")
	if _, err := ledger.Open(t.Context(), ledger.Options{Database: p.database(), Signer: p.key}); err == nil {
		t.Fatal("it was opened")
	}
	if n := len(e.rows("SELECT 1 FROM sqlite_schema")); n != 1 {
		t.Errorf("it has %d tables now", n)
	}
}

func TestAwaitSize(t *testing.T) {
	p := newPlace(t)
	l, other := p.open(t), p.open(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for name, writer := range map[string]*ledger.Ledger{"ThisProcess": l, "Another": other} {
		t.Run(name, func(t *testing.T) {
			before, err := l.AwaitSize(ctx, -1)
			if err != nil {
				t.Fatal(err)
			}
			sizes := make(chan int64)
			go func() {
				n, _ := l.AwaitSize(ctx, before)
				sizes <- n
			}()
			mustRecord(t, writer, sallyporttest.Approved(int(before) + 1)[0])
			if n := <-sizes; n != before+1 || ctx.Err() != nil {
				t.Errorf("AwaitSize = %d, want %d", n, before+1)
			}
		})
	}
	cancel()
	if n, err := l.AwaitSize(ctx, 2); n != 2 || err != nil {
		t.Errorf("when the context ends: %d, %v; want 2", n, err)
	}
	mustClose(t, l)
	if _, err := l.AwaitSize(t.Context(), 2); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("a closed ledger: %v", err)
	}
}
