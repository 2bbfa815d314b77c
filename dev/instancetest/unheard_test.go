package instancetest_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
)

// TestKillUnheardVote kills the gateway while a vote is on its way into
// Temporal. A vote that the workflow won't remember must not be in the ledger:
// its voter could not vote again, and the call would wait until it expires.
func TestKillUnheardVote(t *testing.T) {
	t.Parallel()
	d := start(t, seeded(t, "production/api"))
	id := d.submit(scale("production/api", 5))
	paper := sallyport.BallotPaper{Verdict: sallyport.Approve, Ballot: d.ballot(id)}

	unlock := lockWrites(t, d.Path("temporal/temporal.db"))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // the API does not respond; a count takes milliseconds
	defer cancel()
	if _, err := d.bob.Vote(ctx, id, paper); err == nil {
		t.Error("a vote counted while nothing got into Temporal")
	}
	d.Kill(t)
	unlock()
	if got := d.book.calls()[id].kinds; slices.Contains(got, sallyport.EntryVote) {
		t.Errorf("a vote that Temporal has not heard was counted: %v", got)
	}

	d.Restart(t)
	d.connect()
	_, _ = d.bob.Vote(t.Context(), id, paper) // refused where Temporal has heard the first one after all
	d.ends(id, sallyport.StateSucceeded)
	wantSound(t, d.Instance, d.book.calls())
}
