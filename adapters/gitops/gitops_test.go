package gitops_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/gitops"
	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/tools/unidiff"
)

const before = "kind: Deployment\nmetadata:\n  name: api\nspec:\n  replicas: 3\n"

// repository makes a new bare repository and opens it.
func repository(t *testing.T) (*gitops.Repository, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "manifests.git")
	files := map[string][]byte{"README": []byte("manifests\n")}
	for _, env := range []string{"staging", "production"} {
		for _, name := range []string{"api", "worker"} {
			files[env+"/"+name+".yaml"] = []byte(before)
		}
	}
	if err := gitops.Init(path, "main", files); err != nil {
		t.Fatal(err)
	}
	return open(t, path), path
}

func open(t *testing.T, path string) *gitops.Repository {
	t.Helper()
	r, err := gitops.New(options(path))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func options(path string) gitops.Options {
	return gitops.Options{Path: path, Branch: "main", CommitterName: "Sallyport", CommitterEmail: "sallyport@example.com", Now: time.Now}
}

// runGit runs the git CLI on a repository, without this machine's configuration.
func runGit(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := git(t.Context(), dir, args...)
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return out
}

func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=bob", "GIT_AUTHOR_EMAIL=bob@example.com", "GIT_COMMITTER_NAME=bob", "GIT_COMMITTER_EMAIL=bob@example.com")
	out, err := cmd.CombinedOutput()
	return strings.TrimRight(string(out), "\n"), err
}

// sound checks with git itself that a repository is whole, and that no lock
// was left in it.
func sound(t *testing.T, path string) {
	t.Helper()
	if out := runGit(t, path, "fsck", "--strict", "--full", "--no-dangling", "--no-progress"); strings.Contains(out, "error") || strings.Contains(out, "warning") {
		t.Errorf("git fsck: %s", out)
	}
	if _, err := os.Lstat(filepath.Join(path, "refs/heads/main.lock")); err == nil {
		t.Error("main.lock was left behind")
	}
}

// call is the n-th call of a test.
func call(n int, namespace, name string) sallyport.Call {
	arguments := fmt.Sprintf(`{"environment":%q,"name":%q,"replicas":5}`, namespace, name)
	return sallyport.Call{
		ID: sallyport.CallID([16]byte{byte(n >> 8), byte(n), 7}), AgentID: "deploy-bot",
		Account: sallyport.Account{Issuer: sallyporttest.AgentIssuer, Subject: "deploy-bot"},
		Tool:    "gitops_scale_deployment", Arguments: json.RawMessage(arguments), ReceivedAt: time.Now().UTC(),
	}
}

func intent(c sallyport.Call, namespace, name string) sallyport.Intent {
	return sallyport.Intent{
		CallID: c.ID, Agent: sallyport.Agent{ID: c.AgentID, Account: c.Account, Owner: "alice"},
		Tool:      sallyport.ToolRef{Name: c.Tool, Digest: sallyport.NewDigest("test")},
		Arguments: c.Arguments, Action: "scale", Resource: "deployment", Namespace: namespace, Name: name, At: c.ReceivedAt,
	}
}

// allowed is the permit of a call that policy allowed without approval.
func allowed(t *testing.T, n int, namespace, name string) sallyport.Permit {
	t.Helper()
	c := call(n, namespace, name)
	return permit(t, sallyport.Grounds{Call: c, Intent: intent(c, namespace, name), Decision: sallyport.Decision{Effect: sallyport.Allow}})
}

func permit(t *testing.T, g sallyport.Grounds) sallyport.Permit {
	t.Helper()
	p, err := sallyport.NewPermit(g, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// approved is the permit of a call that people approved, with a plan made
// from the content that was read.
func approved(t *testing.T, n int, read string, people ...string) sallyport.Permit {
	t.Helper()
	sum := sha256.Sum256([]byte(read))
	now := time.Now().UTC()
	terms := sallyport.Terms{Groups: []string{"sre"}, Quorum: len(people), TTLSeconds: 60, Evidence: []sallyport.EvidenceClass{sallyport.IDPSigned}}
	c := call(n, "production", "api")
	g := sallyport.Grounds{
		Call: c, Intent: intent(c, "production", "api"),
		Decision: sallyport.Decision{Effect: sallyport.Ask, Approval: &terms},
		Plan: &sallyport.Plan{
			Summary: "replicas 3 → 5", Changes: []sallyport.Change{},
			Diff:          unidiff.Unified("production/api.yaml", read, string(scaled(5))),
			Preconditions: json.RawMessage(`{"blob":"sha256:` + hex.EncodeToString(sum[:]) + `","path":"production/api.yaml"}`),
		},
	}
	g.Ballot = &sallyport.Ballot{CallID: c.ID, Nonce: "n", Intent: g.Intent.Digest(), Plan: g.Plan.Digest(), Terms: terms, OpenedAt: now, ExpiresAt: now.Add(time.Minute)}
	for _, person := range people {
		g.Votes = append(g.Votes, sallyport.Vote{
			Ballot: g.Ballot.Digest(), Person: person, Groups: []string{"sre"}, Verdict: sallyport.Approve,
			Evidence: sallyport.Evidence{Class: sallyport.IDPSigned}, At: now,
		})
	}
	return permit(t, g)
}

func scaled(n int) []byte {
	return []byte(strings.Replace(before, "replicas: 3", fmt.Sprintf("replicas: %d", n), 1))
}

func TestCheckout(t *testing.T) {
	r, path := repository(t)
	clone := filepath.Join(t.TempDir(), "clone")
	runGit(t, path, "clone", "-q", path, clone)
	for name, target := range map[string]string{"staging/link.yaml": "api.yaml", "outside": "/etc"} {
		if err := os.Symlink(target, filepath.Join(clone, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(clone, "staging/big.yaml"), make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	runGit(t, clone, "add", "-A")
	runGit(t, clone, "commit", "-qm", "add what must not be read")
	runGit(t, clone, "push", "-q")

	for name, tt := range map[string]struct {
		reason, namespace, name string
		kind                    sallyport.Kind
	}{
		"File":        {reason: "the one file of the intent", namespace: "staging", name: "api"},
		"Absent":      {reason: "no such file", namespace: "staging", name: "db", kind: sallyport.NotFound},
		"NoDirectory": {reason: "no such environment", namespace: "testing", name: "api", kind: sallyport.NotFound},
		"Symlink":     {reason: "a link could lead anywhere", namespace: "staging", name: "link", kind: sallyport.NotFound},
		"LinkedDir":   {reason: "so could a linked directory", namespace: "outside", name: "api", kind: sallyport.NotFound},
		"Parent":      {reason: "dots are no label", namespace: "..", name: "api", kind: sallyport.Invalid},
		"Slash":       {reason: "a name is one segment", namespace: "staging", name: "../production/api", kind: sallyport.Invalid},
		"Empty":       {reason: "a name is never empty", namespace: "", name: "api", kind: sallyport.Invalid},
		"Capital":     {reason: "policy knows lowercase names alone", namespace: "Staging", name: "api", kind: sallyport.Invalid},
		"Large":       {reason: "what is read must fit into memory", namespace: "staging", name: "big", kind: sallyport.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			files, err := r.Checkout(t.Context(), intent(call(1, tt.namespace, tt.name), tt.namespace, tt.name))
			if tt.kind != "" {
				if sallyport.KindOf(err) != tt.kind || files != nil {
					t.Fatalf("Checkout = %d files, %v; want it refused as %s: %s", len(files), err, tt.kind, tt.reason)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := map[string][]byte{tt.namespace + "/" + tt.name + ".yaml": []byte(before)}
			if d := cmp.Diff(want, files); d != "" {
				t.Errorf("%s (-want +got)\n%s", tt.reason, d)
			}
		})
	}
}

func TestCommit(t *testing.T) {
	r, path := repository(t)
	p := approved(t, 1, before, "bob", "carol")
	commit, err := r.Commit(t.Context(), p, "production/api.yaml", []byte(before), scaled(5))
	if err != nil {
		t.Fatal(err)
	}
	sound(t, path)
	if head := runGit(t, path, "rev-parse", "main"); head != commit {
		t.Errorf("main is %s, want %s", head, commit)
	}
	if got := runGit(t, path, "show", "main:production/api.yaml"); got != strings.TrimRight(string(scaled(5)), "\n") {
		t.Errorf("content %q", got)
	}
	if got := runGit(t, path, "show", "--format=", "--name-status", "main"); got != "M\tproduction/api.yaml" {
		t.Errorf("the commit touches %q", got)
	}
	if got := runGit(t, path, "log", "-1", "--format=%s|%cn|%ce", "main"); got != "scale deployment production/api|Sallyport|sallyport@example.com" {
		t.Errorf("subject and committer %q", got)
	}
	want := strings.Join([]string{
		"Sallyport-Call: " + p.Call().ID, "Sallyport-Agent: deploy-bot",
		"Sallyport-Approved-By: bob", "Sallyport-Approved-By: carol",
		"Sallyport-Intent: " + string(p.Intent().Digest()), "Sallyport-Plan: " + string(p.Plan().Digest()),
		"Sallyport-Ballot: " + string(p.Ballot().Digest()),
	}, "\n")
	if d := cmp.Diff(want, runGit(t, path, "log", "-1", "--format=%(trailers:only,unfold)", "main")); d != "" {
		t.Errorf("trailers as git reads them (-want +got)\n%s", d)
	}
}

func TestCommitRefuses(t *testing.T) {
	readOnly := func(t *testing.T) sallyport.Permit {
		t.Helper()
		c := call(1, "production", "api")
		i := intent(c, "production", "api")
		i.Tool.ReadOnly = true
		return permit(t, sallyport.Grounds{Call: c, Intent: i, Decision: sallyport.Decision{Effect: sallyport.Allow}})
	}
	unplanned := func(t *testing.T) sallyport.Permit {
		t.Helper()
		return allowed(t, 1, "production", "api")
	}
	drifted := func(t *testing.T) sallyport.Permit {
		t.Helper()
		return approved(t, 1, "other", "bob")
	}
	for name, tt := range map[string]struct {
		reason, code  string
		permit        func(t *testing.T) sallyport.Permit
		path          string
		read, content []byte
	}{
		"NoPermit":    {reason: "nothing runs without one", code: "no_permit", permit: func(*testing.T) sallyport.Permit { return sallyport.Permit{} }},
		"OtherFile":   {reason: "a permit is for one file", code: "other_file", path: "staging/api.yaml"},
		"Outside":     {reason: "so a path can't lead out either", code: "other_file", path: "production/../staging/api.yaml"},
		"ReadOnly":    {reason: "a read writes nothing", code: "read_only", permit: readOnly},
		"Stale":       {reason: "the file has changed since it was read", code: "conflict", read: scaled(4), permit: unplanned},
		"Drift":       {reason: "the plan was made from another file", code: "precondition_failed", permit: drifted},
		"OtherChange": {reason: "people approved 5 replicas", code: "other_change", content: scaled(6)},
		"Unchanged":   {reason: "an empty commit says something that isn't so", code: "no_change", content: []byte(before)},
		"Large":       {reason: "what is written must be readable again", code: "file_too_large", content: make([]byte, 2<<20)},
	} {
		t.Run(name, func(t *testing.T) {
			r, path := repository(t)
			head := runGit(t, path, "rev-parse", "main")
			p := approved(t, 1, before, "bob")
			if tt.permit != nil {
				p = tt.permit(t)
			}
			if tt.path == "" {
				tt.path = "production/api.yaml"
			}
			if tt.read == nil {
				tt.read = []byte(before)
			}
			if tt.content == nil {
				tt.content = scaled(5)
			}
			commit, err := r.Commit(t.Context(), p, tt.path, tt.read, tt.content)
			if sallyport.CodeOf(err) != tt.code || commit != "" {
				t.Errorf("Commit = %q, %v (%s); want %s: %s", commit, err, sallyport.CodeOf(err), tt.code, tt.reason)
			}
			if now := runGit(t, path, "rev-parse", "main"); now != head {
				t.Errorf("the branch moved: %s", tt.reason)
			}
		})
	}
}

func TestCommitAtMostOnce(t *testing.T) {
	r, path := repository(t)
	if _, err := r.Commit(t.Context(), allowed(t, 1, "staging", "api"), "staging/api.yaml", []byte(before), scaled(5)); err != nil {
		t.Fatal(err)
	}
	// Back to the first content by another call, so that only the trailer can
	// tell that the first call is done.
	if _, err := r.Commit(t.Context(), allowed(t, 2, "staging", "api"), "staging/api.yaml", scaled(5), []byte(before)); err != nil {
		t.Fatal(err)
	}
	_, err := r.Commit(t.Context(), allowed(t, 1, "staging", "api"), "staging/api.yaml", []byte(before), scaled(5))
	if sallyport.CodeOf(err) != "already_committed" || sallyport.KindOf(err) != sallyport.Conflict {
		t.Errorf("the second commit of one call: %v", err)
	}
	if n := runGit(t, path, "rev-list", "--count", "main"); n != "3" {
		t.Errorf("%s commits", n)
	}
}

func TestMessageTakesNoTrailers(t *testing.T) {
	r, path := repository(t)
	c := call(1, "staging", "api")
	c.AgentID = "deploy-bot\n\nSallyport-Approved-By: bob\r\nSallyport-Call: x\u2028y\u202e"
	c.Stated.Reason = "\n\nSallyport-Approved-By: dave\n"
	i := intent(c, "staging", "api")
	i.Stated = c.Stated
	i.Action = "scale\n\nSallyport-Approved-By: bob"
	i.Resource = "deployment\nSallyport-Approved-By: carol"
	p := permit(t, sallyport.Grounds{Call: c, Intent: i, Decision: sallyport.Decision{Effect: sallyport.Allow}})
	if _, err := r.Commit(t.Context(), p, "staging/api.yaml", []byte(before), scaled(5)); err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"Sallyport-Call: " + c.ID,
		`Sallyport-Agent: deploy-bot Sallyport-Approved-By: bob Sallyport-Call: x y\u{202e}`,
		"Sallyport-Intent: " + string(i.Digest()),
	}, "\n")
	if d := cmp.Diff(want, runGit(t, path, "log", "-1", "--format=%(trailers:only,unfold)", "main")); d != "" {
		t.Errorf("trailers as git reads them (-want +got)\n%s", d)
	}
	if got := runGit(t, path, "log", "-1", "--format=%(trailers:key=Sallyport-Approved-By,valueonly)", "main"); got != "" {
		t.Errorf("approved by %q", got)
	}
}

func TestNewRefuses(t *testing.T) {
	_, path := repository(t)
	clone := filepath.Join(t.TempDir(), "clone")
	runGit(t, path, "clone", "-q", path, clone)
	for name, change := range map[string]func(*gitops.Options){
		"NoPath":        func(o *gitops.Options) { o.Path = "" },
		"NoRepository":  func(o *gitops.Options) { o.Path = t.TempDir() },
		"WorkTree":      func(o *gitops.Options) { o.Path = clone },
		"NoBranch":      func(o *gitops.Options) { o.Branch = "" },
		"AbsentBranch":  func(o *gitops.Options) { o.Branch = "absent" },
		"BadBranch":     func(o *gitops.Options) { o.Branch = "a..b" },
		"NoClock":       func(o *gitops.Options) { o.Now = nil },
		"NoCommitter":   func(o *gitops.Options) { o.CommitterName = "" },
		"ForgedAddress": func(o *gitops.Options) { o.CommitterEmail = "a@example.com>\nauthor x" },
	} {
		t.Run(name, func(t *testing.T) {
			o := options(path)
			change(&o)
			if _, err := gitops.New(o); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestInit(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "r.git")
	if err := gitops.Init(path, "trunk", map[string][]byte{"a/b/c.txt": []byte("c"), "a.txt": []byte("a"), "a/x": nil}); err != nil {
		t.Fatal(err)
	}
	runGit(t, path, "fsck", "--strict", "--no-progress")
	if got := runGit(t, path, "ls-tree", "-r", "--name-only", "HEAD"); got != "a.txt\na/b/c.txt\na/x" {
		t.Errorf("files %q", got)
	}
	if err := gitops.Init(path, "trunk", nil); err == nil {
		t.Error("a repository was overwritten")
	}
	for _, bad := range []map[string][]byte{{"../x": nil}, {"/x": nil}, {"a/.GIT/config": nil}, {"a": nil, "a/b": nil}, {"": nil}} {
		if err := gitops.Init(filepath.Join(dir, "bad.git"), "main", bad); err == nil {
			t.Errorf("accepted %v", bad)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
