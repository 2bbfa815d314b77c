//go:build linux && (amd64 || arm64)

package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/sandbox"
	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/tools"
)

// repository is a repository in memory, with a fault to inject.
type repository struct {
	mu      sync.Mutex
	files   map[string][]byte
	commits int
	fault   error // of Commit
}

func (r *repository) Checkout(context.Context, sallyport.Intent) (map[string][]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	files := map[string][]byte{}
	for path, content := range r.files {
		files[path] = bytes.Clone(content)
	}
	return files, nil
}

func (r *repository) Commit(ctx context.Context, p sallyport.Permit, path string, read, content []byte) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := errors.Join(ctx.Err(), p.Check(), r.fault); err != nil {
		return "", err
	}
	if !bytes.Equal(r.files[path], read) {
		return "", sallyport.Errorf(sallyport.Conflict, "moved", "%s has changed", path)
	}
	r.files[path] = content
	r.commits++
	return "c0ffee", nil
}

func (r *repository) set(path, content string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.files[path] = []byte(content)
}

func (r *repository) seen() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.commits
}

func writer() tools.Manifest {
	m := manifest()
	m.Risk.ReadOnly = false
	m.Permissions.Git = tools.GitWrite
	return m
}

func TestCommit(t *testing.T) {
	for name, tt := range map[string]struct {
		reason string
		path   string
		git    tools.GitAccess
		fault  error
		state  sallyport.State
		code   string
	}{
		"Written":     {reason: "a tool with write permission may change its file", path: "staging/api.yaml", git: tools.GitWrite, state: sallyport.StateSucceeded},
		"OtherFile":   {reason: "it may change what it was given", path: "production/api.yaml", git: tools.GitWrite, state: sallyport.StateFailed, code: "bad_output"},
		"OutOfTree":   {reason: "paths that lead out are not given", path: "../staging/api.yaml", git: tools.GitWrite, state: sallyport.StateFailed, code: "bad_output"},
		"GitDir":      {reason: "what is in .git runs later", path: ".git/hooks/post-commit", git: tools.GitWrite, state: sallyport.StateFailed, code: "bad_output"},
		"Reader":      {reason: "permission to read does not permit to write", path: "staging/api.yaml", git: tools.GitRead, state: sallyport.StateFailed, code: "bad_output"},
		"Conflict":    {reason: "a refused commit wrote nothing", path: "staging/api.yaml", git: tools.GitWrite, fault: sallyport.Errorf(sallyport.Conflict, "moved", "the ref moved"), state: sallyport.StateFailed, code: "moved"},
		"Unavailable": {reason: "the commit may have been written", path: "staging/api.yaml", git: tools.GitWrite, fault: sallyport.Errorf(sallyport.Unavailable, "unreachable", "the remote is gone"), state: sallyport.StateAmbiguous, code: "unreachable"},
		"Unknown":     {reason: "an error of no kind says nothing", path: "staging/api.yaml", git: tools.GitWrite, fault: errors.New("disk"), state: sallyport.StateAmbiguous, code: "internal"},
	} {
		t.Run(name, func(t *testing.T) {
			repo := &repository{files: map[string][]byte{"staging/api.yaml": []byte("replicas: 3\n")}, fault: tt.fault}
			m := writer()
			m.Permissions.Git = tt.git
			r := newRunner(t, m, repo)
			i := intent("patch", map[string]string{"path": tt.path, "content": "replicas: 5\n"})
			o, err := r.Run(t.Context(), sallyporttest.AllowedPermit(t, i, sallyport.Obligations{}))
			if err != nil {
				t.Fatal(err)
			}
			code := ""
			if o.Error != nil {
				code = o.Error.Code
			}
			if o.State != tt.state || code != tt.code || (o.Reference != "") != (tt.state == sallyport.StateSucceeded) {
				t.Errorf("outcome %+v (%+v); want %s %q: %s", o, o.Error, tt.state, tt.code, tt.reason)
			}
			want, commits := "replicas: 3\n", 0
			if tt.state == sallyport.StateSucceeded {
				want, commits = "replicas: 5\n", 1
			}
			if got := string(repo.files["staging/api.yaml"]); got != want || repo.seen() != commits {
				t.Errorf("the file says %q after %d commits; want %q after %d", got, repo.seen(), want, commits)
			}
		})
	}
}

func TestExecutorGetsTheApprovedPlan(t *testing.T) {
	r := newRunner(t, manifest(), nil)
	i := intent("behave", nil)
	plan := sallyporttest.PlanOf(i)
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
	o, err := r.Run(trace.ContextWithSpanContext(t.Context(), span), sallyporttest.ApprovedPermit(t, i, plan))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Plan        sallyport.Digest `json:"plan"`
		TraceParent string           `json:"traceparent"`
	}
	if err := json.Unmarshal(o.Result, &got); err != nil || got.Plan != plan.Digest() {
		t.Errorf("the executor got plan %q, %v; want %s, for it enforces the preconditions", got.Plan, err, plan.Digest())
	}
	if want := "00-01000000000000000000000000000000-0200000000000000-01"; got.TraceParent != want {
		t.Errorf("the executor got traceparent %q, want %q", got.TraceParent, want)
	}
	if !strings.HasPrefix(o.Place, "sandbox/") {
		t.Errorf("place %q; want sandbox/ and the host's name", o.Place)
	}
}

func TestPlan(t *testing.T) {
	r := newRunner(t, manifest(), nil)
	p, err := r.Plan(t.Context(), intent("plan", nil))
	if err != nil {
		t.Fatal(err)
	}
	want := sallyport.Plan{Summary: "s", Changes: []sallyport.Change{}, Preconditions: json.RawMessage(`{"a":2,"b":1}`)}
	if d := cmp.Diff(want, p); d != "" {
		t.Errorf("plan (-want +got), preconditions in canonical form\n%s", d)
	}
	for name, tt := range map[string]struct {
		do   string
		with map[string]string
		kind sallyport.Kind
		code string
	}{
		"OwnError": {"say", map[string]string{"text": `{"error":{"code":"not_found","message":"m"}}`}, sallyport.Invalid, "not_found"},
		"Result":   {"behave", nil, sallyport.Internal, "bad_output"},
		"Crash":    {"segfault", nil, sallyport.Internal, "crashed"},
	} {
		if _, err := r.Plan(t.Context(), intent(tt.do, tt.with)); sallyport.KindOf(err) != tt.kind || sallyport.CodeOf(err) != tt.code {
			t.Errorf("%s: Plan = %v; want an error of kind %s, code %s", name, err, tt.kind, tt.code)
		}
	}
}

func TestNothingDone(t *testing.T) {
	i := intent("behave", nil)
	other := i
	other.Tool.Digest = sallyport.NewDigest("test")
	unknown := i
	unknown.Tool.Name = "other"
	repo := newRunner(t, writer(), nil)
	plain := newRunner(t, manifest(), nil)
	for name, tt := range map[string]struct {
		runner *sandbox.Runner
		intent sallyport.Intent
		code   string
	}{
		"UnknownTool":   {plain, unknown, "unknown_tool"},
		"OtherManifest": {plain, other, "other_manifest"},
		"NoRepository":  {repo, i, "no_repository"},
	} {
		o, err := tt.runner.Run(t.Context(), sallyporttest.AllowedPermit(t, tt.intent, sallyport.Obligations{}))
		if sallyport.CodeOf(err) != tt.code {
			t.Errorf("%s: Run = %+v, %v; want an error with code %s", name, o, err, tt.code)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	text := t.TempDir() + "/text"
	if err := os.WriteFile(text, []byte("hello\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		options sandbox.Options
		code    string
	}{
		"NoExecutor":     {sandbox.Options{Catalogue: catalogue{}}, "bad_options"},
		"NoCatalogue":    {sandbox.Options{Executor: executor("executor")}, "bad_options"},
		"MissingProgram": {sandbox.Options{Executor: "/nonexistent", Catalogue: catalogue{}}, "no_executor"},
		"NoProgram":      {sandbox.Options{Executor: text, Catalogue: catalogue{}}, "sandbox_unavailable"},
		"OtherProgram":   {sandbox.Options{Executor: "/bin/true", Catalogue: catalogue{}}, "sandbox_unavailable"},
	} {
		if _, err := sandbox.New(tt.options); sallyport.CodeOf(err) != tt.code {
			t.Errorf("%s: New = %v; want it refused with code %s", name, err, tt.code)
		}
	}
}
