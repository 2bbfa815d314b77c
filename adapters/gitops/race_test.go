package gitops_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/gitops"
)

// A copy of the test binary commits when this names a repository.
const childRepository = "SALLYPORT_TEST_REPOSITORY"

func TestMain(m *testing.M) {
	if path := os.Getenv(childRepository); path != "" {
		os.Exit(child(path))
	}
	os.Exit(m.Run())
}

// child commits to one file again and again, as calls of its own, and prints
// each commit that landed. A limit of 0 is none: then it is there to be
// killed.
func child(path string) int {
	first, _ := strconv.Atoi(os.Getenv("SALLYPORT_TEST_FIRST"))
	limit, _ := strconv.Atoi(os.Getenv("SALLYPORT_TEST_LIMIT"))
	name := os.Getenv("SALLYPORT_TEST_NAME")
	r, err := gitops.New(options(path))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for n := first; limit == 0 || n < first+limit; n++ {
		commit, err := increment(context.Background(), r, n, "staging", name)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if _, err := fmt.Fprintln(os.Stdout, commit); err != nil {
			return 1
		}
	}
	return 0
}

func startChild(t *testing.T, path, name string, first, limit int) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), childRepository+"="+path, "SALLYPORT_TEST_NAME="+name,
		fmt.Sprintf("SALLYPORT_TEST_FIRST=%d", first), fmt.Sprintf("SALLYPORT_TEST_LIMIT=%d", limit))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

// increment appends a line to a file, as one call that tries again after each
// conflict with another commit.
func increment(ctx context.Context, r *gitops.Repository, n int, namespace, name string) (string, error) {
	c := call(n, namespace, name)
	p, err := sallyport.NewPermit(sallyport.Grounds{Call: c, Intent: intent(c, namespace, name), Decision: sallyport.Decision{Effect: sallyport.Allow}}, time.Now())
	if err != nil {
		return "", err
	}
	for {
		files, err := r.Checkout(ctx, p.Intent())
		if err != nil {
			return "", err
		}
		path := namespace + "/" + name + ".yaml"
		content := fmt.Appendf(bytes.Clone(files[path]), "# %s\n", c.ID)
		commit, err := r.Commit(ctx, p, path, files[path], content)
		if sallyport.CodeOf(err) == "conflict" {
			continue
		}
		return commit, err
	}
}

// history checks that every commit that was reported is on the branch, once,
// and that the branch has nothing else.
func history(t *testing.T, path string, reported []string, others int) {
	t.Helper()
	sound(t, path)
	on := map[string]bool{}
	for c := range strings.FieldsSeq(runGit(t, path, "rev-list", "main")) {
		on[c] = true
	}
	for _, c := range reported {
		if !on[c] {
			t.Errorf("commit %s was reported and is lost", c)
		}
	}
	if want := len(reported) + others; len(on) != want {
		t.Errorf("%d commits on main, want %d", len(on), want)
	}
	seen := map[string]bool{}
	for c := range strings.FieldsSeq(runGit(t, path, "log", "--format=%(trailers:key=Sallyport-Call,valueonly)", "main")) {
		if seen[c] {
			t.Errorf("call %s has two commits", c)
		}
		seen[c] = true
	}
}

func TestRaceOfGoroutines(t *testing.T) {
	r, path := repository(t)
	other := open(t, path) // a second Repository has a lock of its own
	const callers, each = 6, 5
	var mu sync.Mutex
	var landed []string
	var wg sync.WaitGroup
	for g := range callers {
		wg.Go(func() {
			for k := range each {
				commit, err := increment(t.Context(), []*gitops.Repository{r, other}[g%2], g*each+k, "staging", []string{"api", "worker"}[g%2])
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				landed = append(landed, commit)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	history(t, path, landed, 1)
}

// Of two calls that read the same file, exactly one lands, and the other one
// gets a conflict.
func TestRaceOfTwoCalls(t *testing.T) {
	r, path := repository(t)
	results := make(chan error, 2)
	for n := range 2 {
		go func() {
			_, err := r.Commit(t.Context(), allowed(t, n, "staging", "api"), "staging/api.yaml", []byte(before), scaled(5+n))
			results <- err
		}()
	}
	if err := errors.Join(<-results, <-results); sallyport.CodeOf(err) != "conflict" || sallyport.KindOf(err) != sallyport.Conflict {
		t.Errorf("the loser hears %v", err)
	}
	if n := runGit(t, path, "rev-list", "--count", "main"); n != "2" {
		t.Errorf("%s commits", n)
	}
}

// The same call twice at once, as after a retry that overtakes the first
// attempt, has one commit.
func TestRaceOfOneCall(t *testing.T) {
	r, path := repository(t)
	other := open(t, path)
	p := allowed(t, 1, "staging", "api")
	results := make(chan error, 2)
	for _, r := range []*gitops.Repository{r, other} {
		go func() {
			_, err := r.Commit(t.Context(), p, "staging/api.yaml", []byte(before), scaled(5))
			results <- err
		}()
	}
	if err := errors.Join(<-results, <-results); sallyport.CodeOf(err) != "already_committed" {
		t.Errorf("the second one hears %v", err)
	}
	if n := runGit(t, path, "rev-list", "--count", "main"); n != "2" {
		t.Errorf("%s commits", n)
	}
}

// Sallyport processes commit while people push with git and git packs.
func TestRaceOfProcesses(t *testing.T) {
	r, path := repository(t)
	const each, pushes = 8, 6
	var landed []string
	var mu sync.Mutex
	var wg sync.WaitGroup
	for n, name := range []string{"api", "worker"} {
		cmd, out := startChild(t, path, name, (n+1)*1000, each)
		wg.Go(func() {
			for out.Scan() {
				mu.Lock()
				landed = append(landed, out.Text())
				mu.Unlock()
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("the child for %s: %v", name, err)
			}
		})
	}
	wg.Go(func() {
		for range pushes {
			if err := push(t, path); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Go(func() {
		for range 4 {
			for _, args := range [][]string{{"pack-refs", "--all", "--prune"}, {"repack", "-adq"}} {
				if out, err := git(t.Context(), path, args...); err != nil {
					t.Errorf("git %v: %v\n%s", args, err, out)
				}
			}
		}
	})
	for k := range each {
		commit, err := increment(t.Context(), r, k, "production", "api")
		if err != nil {
			t.Error(err)
			break
		}
		mu.Lock()
		landed = append(landed, commit)
		mu.Unlock()
	}
	wg.Wait()
	if len(landed) != 3*each {
		t.Errorf("%d commits landed, want %d", len(landed), 3*each)
	}
	history(t, path, landed, 1+pushes)
}

// A push that lands after the commit was made and before the branch is moved
// is neither lost nor in the way. The test does what git does, at the worst
// moment: while Sallyport waits for git's lock.
func TestPushInBetween(t *testing.T) {
	for name, tt := range map[string]struct{ change, code string }{
		"OtherFile": {"production/api.yaml", ""},
		"SameFile":  {"staging/api.yaml", "conflict"},
	} {
		t.Run(name, func(t *testing.T) {
			r, path := repository(t)
			clone := filepath.Join(t.TempDir(), "clone")
			runGit(t, path, "clone", "-q", path, clone)
			if err := os.WriteFile(filepath.Join(clone, tt.change), scaled(9), 0o600); err != nil {
				t.Fatal(err)
			}
			runGit(t, clone, "commit", "-qam", "by hand")
			runGit(t, clone, "push", "-q", "origin", "HEAD:refs/heads/pushed")
			pushed := runGit(t, clone, "rev-parse", "HEAD")

			ref := filepath.Join(path, "refs/heads/main")
			if err := os.WriteFile(ref+".lock", []byte(pushed+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			type result struct {
				commit string
				err    error
			}
			done := make(chan result, 1)
			go func() {
				commit, err := r.Commit(t.Context(), allowed(t, 1, "staging", "api"), "staging/api.yaml", []byte(before), scaled(5))
				done <- result{commit, err}
			}()
			for { // it has its commit ready when it waits for the lock
				if _, err := os.Lstat(filepath.Join(path, "sallyport/main.ref")); err == nil {
					break
				}
				if t.Context().Err() != nil {
					t.Fatal("it never waited")
				}
			}
			if err := os.Rename(ref+".lock", ref); err != nil {
				t.Fatal(err)
			}
			got := <-done
			if sallyport.CodeOf(got.err) != tt.code {
				t.Fatalf("Commit = %+v, want code %q", got, tt.code)
			}
			sound(t, path)
			want := pushed
			if tt.code == "" {
				want = got.commit + " " + pushed
			}
			if head := runGit(t, path, "log", "-1", "--format=%H %P", "main"); !strings.HasPrefix(head, want) {
				t.Errorf("main and its parent are %s, want %s", head, want)
			}
		})
	}
}

// push commits to a file of its own and pushes until git accepts it.
func push(t *testing.T, path string) error {
	t.Helper()
	clone := filepath.Join(t.TempDir(), "clone")
	run := func(dir string, args ...string) error {
		out, err := git(t.Context(), dir, args...)
		if err != nil {
			return fmt.Errorf("git %v: %w\n%s", args, err, out)
		}
		return nil
	}
	if err := run(path, "clone", "-q", path, clone); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(clone, "by-hand"), []byte(clone), 0o600); err != nil {
		return err
	}
	if err := errors.Join(run(clone, "add", "by-hand"), run(clone, "commit", "-qm", "by hand")); err != nil {
		return err
	}
	for {
		err := run(clone, "push", "-q")
		if err == nil || !strings.Contains(err.Error(), "rejected") && !strings.Contains(err.Error(), "lock") {
			return err
		}
		if err := run(clone, "pull", "-q", "--rebase"); err != nil {
			return err
		}
	}
}

// A process is killed in the middle of its commits, again and again. What it
// reported is there, the repository is whole, and the next one goes on at
// once.
func TestKill(t *testing.T) {
	r, path := repository(t)
	var reported []string
	const rounds = 12
	for round := range rounds {
		cmd, out := startChild(t, path, "api", 1000*(round+1), 0)
		for range 1 + round%3 {
			if !out.Scan() {
				t.Fatal("the child ended by itself")
			}
			reported = append(reported, out.Text())
		}
		// The kills fall into different places of the next commit: at its
		// beginning, while it writes objects, while it moves the branch.
		await(t, path, []string{"sallyport/main.lock", "objects/pack/tmp_obj_*", "sallyport/main.ref", "refs/heads/main.lock"}[round%4])
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for out.Scan() { // its output before it was killed
			reported = append(reported, out.Text())
		}
		_ = cmd.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		commit, err := increment(ctx, r, round, "staging", "worker")
		cancel()
		if err != nil {
			t.Fatalf("after the kill: %v", err)
		}
		reported = append(reported, commit)
	}
	sound(t, path)
	commits := strings.Fields(runGit(t, path, "rev-list", "main"))
	on := map[string]bool{}
	for _, c := range commits {
		on[c] = true
	}
	for _, c := range reported {
		if !on[c] {
			t.Errorf("commit %s was reported and is lost", c)
		}
	}
	// A commit may have landed without a word of it; at most one per kill.
	if extra := len(commits) - 1 - len(reported); extra < 0 || extra > rounds {
		t.Errorf("%d commits on main for %d reported ones", len(commits), len(reported))
	}
}

// await returns when a repository has a file that matches, or after a while:
// some are there for microseconds.
func await(t *testing.T, path, pattern string) {
	t.Helper()
	for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); {
		found, err := filepath.Glob(filepath.Join(path, pattern))
		if err != nil {
			t.Fatal(err)
		}
		if len(found) > 0 {
			return
		}
	}
}

// A process that is killed while it holds git's lock leaves the lock and the file
// that the lock is a link to. The next commit removes both.
func TestStaleLockOfOurs(t *testing.T) {
	r, path := repository(t)
	if err := os.MkdirAll(filepath.Join(path, "sallyport"), 0o755); err != nil {
		t.Fatal(err)
	}
	prepared, lock := filepath.Join(path, "sallyport/main.ref"), filepath.Join(path, "refs/heads/main.lock")
	if err := os.WriteFile(prepared, []byte(strings.Repeat("0", 40)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(prepared, lock); err != nil {
		t.Fatal(err)
	}
	if _, err := increment(t.Context(), r, 1, "staging", "api"); err != nil {
		t.Fatal(err)
	}
	sound(t, path)
}

// Commit respects git's lock until its context ends.
func TestForeignLock(t *testing.T) {
	r, path := repository(t)
	lock := filepath.Join(path, "refs/heads/main.lock")
	if err := os.WriteFile(lock, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	head := runGit(t, path, "rev-parse", "main")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := increment(ctx, r, 1, "staging", "api")
	if sallyport.CodeOf(err) != "repository_busy" || sallyport.KindOf(err) != sallyport.Conflict || !strings.Contains(err.Error(), lock) {
		t.Errorf("under a foreign lock: %v; want it busy and the lock named", err)
	}
	if now := runGit(t, path, "rev-parse", "main"); now != head {
		t.Error("the branch was moved under git's lock")
	}
	if _, err := os.Lstat(lock); err != nil {
		t.Errorf("git's lock was removed: %v", err)
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	if _, err := increment(t.Context(), r, 1, "staging", "api"); err != nil {
		t.Errorf("once the lock is gone: %v", err)
	}
}
