package instancetest_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/dev/instancetest"
)

const (
	rounds = 3
	perKey = 2 // who submits each call at once
)

// TestKillAtAnyMoment kills the gateway while it has its hands full, at a
// moment that is drawn: after so many leaves. Then everything is submitted
// again, and must be what it was.
func TestKillAtAnyMoment(t *testing.T) {
	t.Parallel()
	var targets []string
	for round := range rounds {
		targets = append(targets, fmt.Sprintf("staging/shared-%d", round))
		for n := range 4 {
			targets = append(targets, fmt.Sprintf("staging/own-%d-%d", round, n), fmt.Sprintf("production/own-%d-%d", round, n))
		}
	}
	d := start(t, seeded(t, targets...))
	for round := range rounds {
		calls := batch(round)
		moment := d.book.size() + 1 + drawn(t, leavesOf(calls)-1)
		d.killAfter(moment, calls)
		t.Logf("round %d: it was to be killed at leaf %d and was at %d", round, moment, d.book.size())
		verify(t, d.Instance)

		d.Restart(t)
		d.connect()
		stop := d.approving(calls)
		for _, s := range calls {
			d.repeat(s)
		}
		instancetest.Await(t, "every call has ended", d.ended)
		stop()
		if got, want := len(d.book.calls()), (round+1)*len(calls); got != want {
			t.Errorf("there are %d calls, want %d", got, want)
		}
		wantSound(t, d.Instance, d.book.calls())
	}
}

// drawn is a number below n.
func drawn(t *testing.T, n int) int {
	t.Helper()
	i, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		t.Fatal(err)
	}
	return int(i.Int64())
}

// leavesOf is how many leaves calls leave at the least.
func leavesOf(calls []client.Submission) int {
	const denied, asked, other = 4, 8, 5
	n := denied - other
	for _, s := range calls {
		if n += other; strings.HasPrefix(s.Key, "production/") {
			n += asked - other
		}
	}
	return n
}

// batch is a mixture of calls: reads, writes of their own files and of one
// file, writes in production, and one that is denied.
func batch(round int) []client.Submission {
	calls := []client.Submission{scale(fmt.Sprintf("staging/own-%d-0", round), 50)}
	calls[0].Key += "/denied"
	for n := range 4 {
		own, shared := fmt.Sprintf("own-%d-%d", round, n), scale(fmt.Sprintf("staging/shared-%d", round), 4+n)
		shared.Key = fmt.Sprintf("%s/%d", shared.Key, n)
		reading := read("staging/" + own)
		reading.Key += "/read"
		calls = append(calls, scale("staging/"+own, 5), scale("production/"+own, 5), shared, reading)
	}
	return calls
}

// killAfter submits calls, several times each and all at once, and kills the
// gateway when the ledger has so many leaves.
func (d *doomed) killAfter(leaves int, calls []client.Submission) {
	d.t.Helper()
	stop := d.approving(calls)
	defer stop()
	ctx, cancel := context.WithCancel(d.t.Context())
	defer cancel()
	var all sync.WaitGroup
	for _, s := range calls {
		for range perKey {
			all.Go(func() { _, _ = d.bot.Submit(ctx, s) }) // the answer may get lost
		}
	}
	instancetest.Await(d.t, fmt.Sprintf("there are %d leaves", leaves), func() bool { return d.book.size() >= leaves })
	d.Kill(d.t)
	cancel()
	all.Wait()
}

// approving lets bob approve whatever waits, until it is stopped.
func (d *doomed) approving(calls []client.Submission) (stop func()) {
	d.t.Helper()
	var ids []string
	for _, s := range calls {
		ids = append(ids, d.id(s.Key))
	}
	ctx, cancel := context.WithCancel(d.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			for _, id := range ids {
				vote(ctx, d.bob, id)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}()
	return func() { cancel(); <-done }
}

// vote approves a call if it waits for a first vote, as far as the gateway
// answers.
func vote(ctx context.Context, who *client.Client, id string) {
	call, err := who.Get(ctx, id, 0)
	if err == nil && call.State == sallyport.StateAwaitingApproval && len(call.Ballot.Votes) == 0 {
		_, _ = who.Vote(ctx, id, sallyport.BallotPaper{Verdict: sallyport.Approve, Ballot: call.Ballot.Digest})
	}
}

// ended reports whether every call has.
func (d *doomed) ended() bool {
	d.t.Helper()
	for _, call := range d.book.calls() {
		if !call.state.Final() {
			return false
		}
	}
	return true
}
