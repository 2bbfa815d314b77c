package instancetest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/dev/instancetest"
	"github.com/sallyport/sallyport/policies"
)

const asTheyShouldBe = "All 9 steps are as they should be."

func wantStory(t *testing.T, r instancetest.Result) {
	t.Helper()
	if r.Code != 0 || !strings.Contains(r.Stdout, asTheyShouldBe) {
		t.Errorf("the demo exited with %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
}

// TestDemoOnItsOwn tells the story without an instance, twice on one state.
func TestDemoOnItsOwn(t *testing.T) {
	t.Parallel()
	i := instancetest.New(t, instancetest.Options{})
	for range 2 {
		wantStory(t, instancetest.Command(t, "sallyport-dev", i.Arguments("demo")...))
		if _, err := os.Stat(i.Path("dev.json")); err == nil {
			t.Error("the demo left its instance running, or says so")
		}
	}
	if r := verify(t, i); r.Calls == 0 || len(r.Unfinished) != 0 {
		t.Errorf("of %d calls these have not ended: %v", r.Calls, r.Unfinished)
	}
}

// TestDemo tells the story on an instance that runs, twice, and then on one
// that allows what it should not.
func TestDemo(t *testing.T) {
	t.Parallel()
	i := instancetest.Start(t, instancetest.Options{})
	for range 2 {
		r := instancetest.Command(t, "sallyport-dev", i.Arguments("demo")...)
		wantStory(t, r)
		if !strings.Contains(r.Stdout, "Using the instance that runs in") {
			t.Errorf("it does not use the instance that runs: %s", r.Stdout)
		}
	}
	allow50(t, i)
	r := instancetest.Command(t, "sallyport-dev", i.Arguments("demo")...)
	if r.Code != 1 || !strings.Contains(r.Stderr, `step 3, "deploy-bot scales it to 50", is not as it should be`) {
		t.Errorf("50 replicas are allowed, and the demo exited with %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
}

// allow50 edits the instance's policy so that staging may have 50 replicas,
// and waits until it has taken effect.
func allow50(t *testing.T, i *instancetest.Instance) {
	t.Helper()
	path := i.Path(filepath.Join("policies", "data.yaml"))
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	edited := strings.Replace(string(text), "replica_cap: 10", "replica_cap: 50", 1)
	if edited == string(text) {
		t.Fatal("there is no cap of 10 replicas to be lifted")
	}
	replace(t, path, edited)
	instancetest.Await(t, "50 replicas are allowed", func() bool { return preview(t, i, 50) == "allow" })
}

// replace writes a file as editors do.
func replace(t *testing.T, path, text string) {
	t.Helper()
	tmp := filepath.Join(t.TempDir(), "edited")
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, path); err != nil {
		t.Fatal(err)
	}
}

// TestPolicyReload edits the policy of an instance that runs: first so that
// it is none, then for good.
func TestPolicyReload(t *testing.T) {
	t.Parallel()
	i := instancetest.Start(t, instancetest.Options{})
	path := i.Path(filepath.Join("policies", "decision.rego"))
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	replace(t, path, "package sallyport\n\ndecision := {\"effect\": \"allow\"} if nonsense(1)\n")
	i.AwaitLog(t, "policy refused")
	if line := lineWith(i.Log(), "policy refused"); !strings.Contains(line, "decision.rego:3") || !strings.Contains(line, "kept_revision=") {
		t.Errorf("it does not say where the policy is wrong, and which stays: %s", line)
	}
	for replicas, want := range map[int]string{5: "allow", 50: "deny"} {
		if got := preview(t, i, replicas); got != want {
			t.Errorf("with a bad policy in place %d replicas are decided as %q, want %q as before", replicas, got, want)
		}
	}
	if err := i.Client(t, "bob").Ready(t.Context()); err != nil {
		t.Errorf("with the last good policy it is not ready: %v", err)
	}
	replace(t, path, string(good))
	allow50(t, i)
}

// TestBadPolicyStopsTheStart: what can't be kept has to be refused.
func TestBadPolicyStopsTheStart(t *testing.T) {
	t.Parallel()
	i := instancetest.New(t, instancetest.Options{})
	if err := os.CopyFS(i.Path("policies"), policies.Development()); err != nil {
		t.Fatal(err)
	}
	replace(t, i.Path("policies/grants.rego"), "package sallyport\n\ngranted if nonsense(1)\n")
	err := i.Run(t.Context())
	if err == nil {
		t.Fatal("it started")
	}
	for _, want := range []string{"it ended with exit status 1", "sallyport-dev: ", "grants.rego:3: "} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not say %q", err, want)
		}
	}
}

func lineWith(text, part string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			return line
		}
	}
	return ""
}
