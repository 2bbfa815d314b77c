package instancetest_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/dev/instancetest"
)

// steps are the leaves of a write that people are asked about, in order.
var steps = []sallyport.EntryKind{
	sallyport.EntryReceived, sallyport.EntryIntent, sallyport.EntryDecision, sallyport.EntryPlan, sallyport.EntryDecision,
	sallyport.EntryBallot, sallyport.EntryVote, sallyport.EntryStart, sallyport.EntryOutcome,
}

// TestKillAtEachStep brings one call to each step there is, kills the gateway
// once, and sees each of them go on from where it was.
func TestKillAtEachStep(t *testing.T) {
	t.Parallel()
	targets := []string{
		"production/plan", "production/unvoted", "staging/read", "staging/commit", "production/handover", "production/unkeyed",
	}
	for n := range steps {
		targets = append(targets, step(n))
	}
	d := start(t, seeded(t, targets...))
	release := d.hold()
	before := d.book.calls()
	unvoted := d.ballot(d.id("production/unvoted"))
	lastBallot := d.ballot(d.id(step(6)))
	d.Kill(t)
	release()
	wantHeld(t, d, before)

	d.Restart(t)
	d.connect()
	d.repeat(scale(step(0), 5))
	// The agent that lost the response submits again. The sweeper may have been faster.
	d.repeat(scale("production/handover", 5))
	if got := d.ballot(d.id("production/unvoted")); got != unvoted {
		t.Errorf("the call had the ballot %s and has %s", unvoted, got)
	}
	// A vote that was being counted is in the history: its voter need not vote again.
	d.ends(d.id(step(6)), sallyport.StateSucceeded)
	if call, err := d.bot.Get(t.Context(), d.id(step(6)), 0); err != nil || call.Ballot.Digest != lastBallot {
		t.Errorf("the call had the ballot %s and has %+v: %v", lastBallot, call.Ballot, err)
	}
	for _, target := range []string{step(0), step(1), step(2), step(3), step(4), step(5), "production/plan", "production/unvoted"} {
		d.approve(d.id(target))
		d.ends(d.id(target), sallyport.StateSucceeded)
	}
	d.ends(d.id(step(7)), sallyport.StateSucceeded)
	d.ends(d.id(step(8)), sallyport.StateSucceeded)
	d.ends(d.id("staging/read"), sallyport.StateSucceeded)
	d.ends(d.id("staging/commit"), sallyport.StateAmbiguous)
	if call, err := d.bot.Get(t.Context(), d.id("production/handover"), 0); err != nil {
		t.Error(err)
	} else if !call.State.Final() {
		d.approve(call.ID)
	}
	d.ends(d.id("production/handover"), sallyport.StateSucceeded, sallyport.StateCancelled)
	for id, call := range d.book.calls() {
		if !call.state.Final() { // the one without a key
			d.ends(id, sallyport.StateCancelled)
		}
	}
	wantSound(t, d.Instance, d.book.calls())
}

// step is the target of the call that is held before its leaf n.
func step(n int) string { return fmt.Sprintf("production/step-%d-%s", n, steps[n]) }

// hold brings each call to its step. The caller calls release when the killed
// process no longer works on the state.
func (d *doomed) hold() (release func()) {
	d.t.Helper()
	plan := holdReads(d.t, d.Path("demo.git/refs/heads/main"))
	d.submit(scale("production/plan", 5))
	plan.reached()

	g := newGate(d.book, d.Instance)
	for n := range steps {
		d.holdBefore(g, n)
	}
	g.hold(d.id("staging/read"), 4) // its outcome
	d.submit(read("staging/read"))
	g.reached(d.id("staging/read"), 4)
	d.ballot(d.submit(scale("production/unvoted", 5)))

	// From here on nothing is committed: a git that was killed holds the
	// branch. The gateway gives up after ten seconds.
	lock := d.Path("demo.git/refs/heads/main.lock")
	if err := os.WriteFile(lock, nil, 0o600); err != nil {
		d.t.Fatal(err)
	}
	d.submit(scale("staging/commit", 5))
	instancetest.Await(d.t, "a commit is to be moved into place", func() bool {
		_, err := os.Stat(d.Path("demo.git/sallyport/main.ref"))
		return err == nil
	})

	// And nothing gets into Temporal.
	unlock := lockWrites(d.t, d.Path("temporal/temporal.db"))
	received := d.book.size()
	for _, target := range []string{"production/handover", "production/unkeyed"} {
		s := scale(target, 5)
		if target == "production/unkeyed" {
			s.Key = ""
		}
		background(d.t, func(ctx context.Context) { _, _ = d.bot.Submit(ctx, s) }) // the API is killed before it responds
	}
	instancetest.Await(d.t, "two more calls are received", func() bool { return d.book.size() == received+2 })
	return func() {
		unlock()
		g.remove()
		if err := os.Remove(lock); err != nil {
			d.t.Fatal(err)
		}
	}
}

// holdBefore brings one call to where it is about to have its leaf n.
func (d *doomed) holdBefore(g gate, n int) {
	d.t.Helper()
	id := d.id(step(n))
	g.hold(id, n)
	_, err := d.bot.Submit(d.t.Context(), scale(step(n), 5))
	switch {
	case n == 0 && err == nil:
		d.t.Fatal("a call that could not be recorded was taken")
	case n > 0 && err != nil:
		d.t.Fatal(err)
	case n == 6: // who votes gets no answer
		paper := sallyport.BallotPaper{Verdict: sallyport.Approve, Ballot: d.ballot(id)}
		background(d.t, func(ctx context.Context) { _, _ = d.bob.Vote(ctx, id, paper) })
	case n > 6:
		d.approve(id)
	}
	g.reached(id, n)
}

// wantHeld checks that each call was killed where it was held, and that what
// a kill leaves is a sound ledger.
func wantHeld(t *testing.T, d *doomed, before map[string]evidence) {
	t.Helper()
	calls := d.book.calls()
	want := map[string][]sallyport.EntryKind{
		"production/plan":     steps[:3],
		"production/unvoted":  steps[:6],
		"production/handover": steps[:1],
		"staging/read":        {sallyport.EntryReceived, sallyport.EntryIntent, sallyport.EntryDecision, sallyport.EntryStart},
		"staging/commit":      {sallyport.EntryReceived, sallyport.EntryIntent, sallyport.EntryDecision, sallyport.EntryStart},
	}
	for n := range steps {
		want[step(n)] = steps[:n]
	}
	for _, target := range slices.Sorted(maps.Keys(want)) {
		if diff := cmp.Diff(want[target], calls[d.id(target)].kinds, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("the call on %s was killed elsewhere (-want +got)\n%s", target, diff)
		}
	}
	if len(calls) != len(before) {
		t.Errorf("%d calls became %d", len(before), len(calls))
	}
	if diff := cmp.Diff(map[string]int{d.id(step(8)): 1}, commits(t, d.Instance)); diff != "" {
		t.Errorf("commits (-want +got)\n%s", diff)
	}
	verify(t, d.Instance)
}
