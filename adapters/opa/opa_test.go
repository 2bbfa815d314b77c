package opa_test

import (
	"context"
	"encoding/json"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/opa"
	"github.com/sallyport/sallyport/policies"
	"github.com/sallyport/sallyport/sallyporttest"
)

// newEngine loads a policy, which must be good. Tests are about what is decided
// and not about how fast, unless they say so.
func newEngine(tb testing.TB, o opa.Options) *opa.Engine {
	tb.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	e, err := opa.New(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// policyFS is the default policy with some files replaced; "" takes one away.
func policyFS(tb testing.TB, files map[string]string) fstest.MapFS {
	tb.Helper()
	fsys := fstest.MapFS{}
	err := fs.WalkDir(policies.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(policies.FS(), name)
		fsys[name] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	for name, content := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(content)}
		if content == "" {
			delete(fsys, name)
		}
	}
	return fsys
}

// tiny is a policy of one file that is good, until rules are added.
const tiny = `package sallyport

default decision := {"effect": "deny", "reasons": [{"code": "no", "message": "no"}]}

default visible := false

approver := [{"code": "no", "message": "no"}]
`

func tinyFS(rules string) fstest.MapFS {
	return fstest.MapFS{"policy.rego": {Data: []byte(tiny + "\n" + rules)}}
}

func tinyFSOf(module string) fstest.MapFS {
	return fstest.MapFS{"policy.rego": {Data: []byte(module)}}
}

// writeDir writes a policy's files into a directory.
func writeDir(tb testing.TB, dir string, fsys fs.FS) {
	tb.Helper()
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, name)
		if d.IsDir() {
			return os.MkdirAll(to, 0o750)
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		return os.WriteFile(to, data, 0o600)
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// noon is a Monday at noon in Berlin.
var noon = time.Date(2026, 11, 23, 11, 0, 0, 0, time.UTC)

// question is deploy-bot scaling api in staging to 5, and then changed.
func question(tb testing.TB, change ...func(*sallyport.Question)) sallyport.Question {
	tb.Helper()
	q := sallyport.Question{
		Intent: sallyport.Intent{
			CallID: "abcdefghijklmnopqrstuvwxya",
			Agent: sallyport.Agent{
				ID: "deploy-bot", Owner: "alice",
				Account: sallyport.Account{Issuer: sallyporttest.AgentIssuer, Subject: "deploy-bot"},
			},
			Tool:   sallyport.ToolRef{Name: "gitops_scale_deployment", Digest: sallyport.NewDigest("test")},
			Action: "scale", Resource: "deployment", Namespace: "staging", Name: "api",
			Arguments: json.RawMessage(`{"environment":"staging","name":"api","replicas":5}`),
			At:        noon,
		},
		Now: noon,
	}
	for _, c := range change {
		c(&q)
	}
	return q
}

func arguments(raw string) func(*sallyport.Question) {
	return func(q *sallyport.Question) { q.Intent.Arguments = json.RawMessage(raw) }
}

func namespace(name string) func(*sallyport.Question) {
	return func(q *sallyport.Question) { q.Intent.Namespace = name }
}

func agent(id string) func(*sallyport.Question) {
	return func(q *sallyport.Question) { q.Intent.Agent.ID = id }
}

func at(now time.Time) func(*sallyport.Question) {
	return func(q *sallyport.Question) { q.Now = now }
}

func reading(action, resource string) func(*sallyport.Question) {
	return func(q *sallyport.Question) {
		q.Intent.Tool.Name, q.Intent.Tool.ReadOnly = "gitops_get_manifest", true
		q.Intent.Action, q.Intent.Resource = action, resource
		q.Intent.Arguments = json.RawMessage(`{"environment":"staging","name":"api"}`)
	}
}

func deleting(q *sallyport.Question) {
	q.Intent.Tool.Name, q.Intent.Tool.Destructive = "k8s_delete_pod", true
	q.Intent.Action, q.Intent.Resource = "delete", "pod"
	q.Intent.Arguments = json.RawMessage(`{}`)
}

// logged is a line of a log.
type logged struct {
	message string
	attrs   map[string]string
}

// log is a log that tests can wait on.
type log chan logged

func (l log) Enabled(context.Context, slog.Level) bool { return true }
func (l log) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l log) WithGroup(string) slog.Handler            { return l }

func newLogger(l log) *slog.Logger { return slog.New(l) }

func (l log) Handle(_ context.Context, r slog.Record) error {
	line := logged{message: r.Message, attrs: map[string]string{}}
	r.Attrs(func(a slog.Attr) bool {
		line.attrs[a.Key] = a.Value.String()
		return true
	})
	l <- line
	return nil
}

// await returns the next line with this message.
func (l log) await(t *testing.T, message string) map[string]string {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case line := <-l:
			if line.message == message {
				return maps.Clone(line.attrs)
			}
		case <-timeout:
			t.Fatalf("%q was never logged", message)
		}
	}
}
