package gitops_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/sallyporttest"
)

func TestReconcilerKeepsTheContract(t *testing.T) {
	sallyporttest.TestReconciler(t, func(t *testing.T) sallyporttest.ReconcilerSubject {
		t.Helper()
		r, path := repository(t)
		p := allowed(t, 1, "staging", "api")
		return sallyporttest.ReconcilerSubject{
			Reconciler: r, Intent: p.Intent(),
			Act: func(t *testing.T) string {
				t.Helper()
				commit, err := r.Commit(t.Context(), p, "staging/api.yaml", []byte(before), scaled(5))
				if err != nil {
					t.Fatal(err)
				}
				return commit
			},
			Break: func(t *testing.T) {
				t.Helper()
				if err := os.RemoveAll(filepath.Join(path, "objects")); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

// The commit is found below commits that people put on top of it, merged in
// or with a date from long ago, and after git packed everything.
func TestReconcileUnderOtherCommits(t *testing.T) {
	r, path := repository(t)
	p := allowed(t, 1, "staging", "api")
	want, err := r.Commit(t.Context(), p, "staging/api.yaml", []byte(before), scaled(5))
	if err != nil {
		t.Fatal(err)
	}
	tree := runGit(t, path, "rev-parse", "main^{tree}")
	t.Setenv("GIT_COMMITTER_DATE", "2001-01-01T00:00:00Z")
	tip := want
	for n := range 20 {
		tip = runGit(t, path, "commit-tree", tree, "-p", tip, "-m", fmt.Sprintf("wrong clock %d", n))
	}
	first := runGit(t, path, "rev-list", "--max-parents=0", "main")
	tip = runGit(t, path, "commit-tree", tree, "-p", first, "-p", tip, "-m", "merge")
	runGit(t, path, "update-ref", "refs/heads/main", tip)
	runGit(t, path, "gc", "-q", "--prune=now")

	o, err := r.Reconcile(t.Context(), p.Intent())
	if err != nil || o == nil || o.Reference != want {
		t.Errorf("Reconcile = %+v, %v; want %s", o, err, want)
	}
	if _, err := r.Commit(t.Context(), p, "staging/api.yaml", scaled(5), scaled(6)); sallyport.CodeOf(err) != "already_committed" {
		t.Errorf("a second commit: %v", err)
	}
}

// The search for a call's commit does not read the whole of an old history:
// it ends below a long row of commits from before the call was received.
func TestReconcileIsBounded(t *testing.T) {
	r, path := repository(t)
	c := call(1, "staging", "api")
	c.ReceivedAt = time.Now().Add(24 * time.Hour).UTC()
	p := permit(t, sallyport.Grounds{Call: c, Intent: intent(c, "staging", "api"), Decision: sallyport.Decision{Effect: sallyport.Allow}})
	if _, err := r.Commit(t.Context(), p, "staging/api.yaml", []byte(before), scaled(5)); err != nil {
		t.Fatal(err)
	}
	tree, tip := runGit(t, path, "rev-parse", "main^{tree}"), runGit(t, path, "rev-parse", "main")
	t.Setenv("GIT_COMMITTER_DATE", "2001-01-01T00:00:00Z")
	for n := range 70 {
		tip = runGit(t, path, "commit-tree", tree, "-p", tip, "-m", fmt.Sprintf("old %d", n))
	}
	runGit(t, path, "update-ref", "refs/heads/main", tip)
	if o, err := r.Reconcile(t.Context(), p.Intent()); err != nil || o != nil {
		t.Errorf("Reconcile = %+v, %v; want nothing", o, err)
	}
}
