//go:build linux && (amd64 || arm64)

package sandbox_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/sandbox"
	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/tools"
)

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: api
  namespace: staging
spec:
  replicas: 3
  selector:
    matchLabels: {app: api}
  template:
    metadata:
      labels: {app: api}
    spec:
      containers:
        - name: api
          image: registry.example/api@sha256:0000000000000000000000000000000000000000000000000000000000000000
`

// TestRunner holds the runner with the real executor, the real manifests and
// a repository in memory against the seam's contract.
func TestRunner(t *testing.T) {
	manifests, err := tools.Load(tools.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	m, ok := manifests.Manifest("gitops_scale_deployment")
	if !ok {
		t.Fatal("there is no gitops_scale_deployment")
	}
	sallyporttest.TestRunner(t, func(t *testing.T) sallyporttest.RunnerSubject {
		t.Helper()
		repo := &repository{files: map[string][]byte{"staging/api.yaml": []byte(deployment)}}
		r, err := sandbox.New(sandbox.Options{Executor: executor("toolexec"), Catalogue: manifests, Repository: repo})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Close() })
		i := intent("", nil)
		i.Tool = sallyport.ToolRef{Name: m.Name, Digest: m.Tool().Digest}
		i.Arguments = json.RawMessage(`{"environment":"staging","name":"api","replicas":5}`)
		return sallyporttest.RunnerSubject{
			Runner:  r,
			Intent:  i,
			Effects: func(*testing.T) int { return repo.seen() },
			Drift: func(*testing.T) {
				repo.set("staging/api.yaml", strings.Replace(deployment, "replicas: 3", "replicas: 4", 1))
			},
		}
	})
}

func TestToolexecOutside(t *testing.T) {
	for name, tt := range map[string]struct {
		args       []string
		stdin, out string
		ok         bool
	}{
		"Usage":     {args: nil, out: "usage: toolexec"},
		"Confine":   {args: []string{"confine"}, out: "only the sandbox runner starts it"},
		"Malformed": {args: []string{"run"}, stdin: `{"mode":"run","mode":"plan"}`, out: "read the request"},
		"Unknown":   {args: []string{"run"}, stdin: `{"mode":"run"}`, out: "unknown_tool", ok: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := exec.CommandContext(t.Context(), executor("toolexec"), tt.args...)
			c.Stdin = strings.NewReader(tt.stdin)
			out, err := c.CombinedOutput()
			if (err == nil) != tt.ok || !strings.Contains(string(out), tt.out) {
				t.Errorf("toolexec %v: %v, %s; want %q", tt.args, err, out, tt.out)
			}
		})
	}
}

// BenchmarkSpawn compares a run in the sandbox with the same program started
// plainly. The ratio is the figure; the times depend on the machine.
func BenchmarkSpawn(b *testing.B) {
	m := manifest()
	r := newRunner(b, m, nil)
	i := intent("plan", nil)
	b.Run("sandbox", func(b *testing.B) {
		for b.Loop() {
			if _, err := r.Plan(b.Context(), i); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("plain", func(b *testing.B) {
		for b.Loop() {
			c := exec.CommandContext(b.Context(), executor("toolexec"), "run")
			c.Env = []string{"GOMAXPROCS=2"}
			c.Stdin = strings.NewReader(`{"mode":"plan"}`)
			if err := c.Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
