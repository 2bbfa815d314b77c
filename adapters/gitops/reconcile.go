package gitops

import (
	"context"
	"encoding/json"
	"time"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/sallyport/sallyport"
)

const (
	// clockSlack is how far the clocks of the gateway that received a call and
	// the worker that commits may differ.
	clockSlack = time.Hour
	// staleRun is how many commits in a row with too old a date the search passes
	// before it ignores their ancestors: a person may have pushed commits with a
	// wrong date on top of the gateway's.
	staleRun = 64
	// maxCommits bounds a search.
	maxCommits = 200_000
)

// Reconcile looks for the commit of an intent's call on the branch. It
// implements [sallyport.Reconciler].
func (r *Repository) Reconcile(ctx context.Context, i sallyport.Intent) (*sallyport.Outcome, error) {
	if i.Tool.ReadOnly || !sallyport.ValidCallID(i.CallID) {
		return nil, nil
	}
	var outcome *sallyport.Outcome
	err := r.view(ctx, func(repo *git.Repository) error {
		head, err := r.head(repo)
		if err != nil {
			return err
		}
		c, err := findCall(ctx, repo, head, i)
		if err != nil || c == nil {
			return err
		}
		// A commit that names this call but another intent was not made by the
		// gateway: it proves nothing.
		if trailers(c.Message)[trailerIntent] != string(i.Digest()) {
			return nil
		}
		result, err := json.Marshal(map[string]string{"commit": c.Hash.String()})
		if err != nil {
			return err
		}
		outcome = &sallyport.Outcome{
			State: sallyport.StateSucceeded, Result: result, Reference: c.Hash.String(),
			FinishedAt: c.Committer.When.UTC(),
		}
		return nil
	})
	return outcome, err
}

// refuseSecond refuses a second commit of a call.
func (r *Repository) refuseSecond(ctx context.Context, repo *git.Repository, head plumbing.Hash, i sallyport.Intent) error {
	c, err := findCall(ctx, repo, head, i)
	if err != nil {
		return err
	}
	if c != nil {
		return sallyport.Errorf(sallyport.Conflict, sallyport.CodeAlreadyCommitted, "call %s has a commit already: %s", i.CallID, c.Hash)
	}
	return nil
}

// findCall walks back from a commit to the one of an intent's call, as far as
// the call's age makes it possible. It returns nil if there is none.
func findCall(ctx context.Context, repo *git.Repository, from plumbing.Hash, i sallyport.Intent) (*object.Commit, error) {
	w := newWalk(from, i.At.Add(-clockSlack))
	for range maxCommits {
		hash, ok := w.next()
		if !ok {
			return nil, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, unavailable(err)
		}
		c, err := repo.CommitObject(hash)
		if err != nil {
			return nil, err
		}
		if trailers(c.Message)[trailerCall] == i.CallID {
			return c, nil
		}
		w.goOn(c)
	}
	return nil, sallyport.Errorf(sallyport.Unavailable, sallyport.CodeHistoryTooLong, "could not find the commit of a call: more than %d commits are younger than call %s", maxCommits, i.CallID)
}

// walk visits commits and their parents, and ends below a row of commits that
// are too old.
type walk struct {
	since time.Time
	queue []plumbing.Hash
	stale map[plumbing.Hash]int // how many commits in a row above were too old, at least
}

func newWalk(from plumbing.Hash, since time.Time) *walk {
	return &walk{since: since, queue: []plumbing.Hash{from}, stale: map[plumbing.Hash]int{from: 0}}
}

func (w *walk) next() (plumbing.Hash, bool) {
	if len(w.queue) == 0 {
		return plumbing.ZeroHash, false
	}
	hash := w.queue[0]
	w.queue = w.queue[1:]
	return hash, true
}

// goOn queues a commit's parents, and a visited one again if fewer old commits
// lead to it this way.
func (w *walk) goOn(c *object.Commit) {
	stale := 0
	if c.Committer.When.Before(w.since) {
		stale = w.stale[c.Hash] + 1
	}
	if stale > staleRun {
		return
	}
	for _, parent := range c.ParentHashes {
		if before, passed := w.stale[parent]; !passed || stale < before {
			w.stale[parent] = stale
			w.queue = append(w.queue, parent)
		}
	}
}
