package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/api"
	"github.com/sallyport/sallyport/cmd/internal/cli"
	"github.com/sallyport/sallyport/sallyporttest"
)

// stage is an API over a ledger in which two calls wait for people. In the place of
// the worker it has a note of the votes that reached the API.
type stage struct {
	server *httptest.Server
	asked  sallyport.Ballot // of the call to vote on
	other  string           // another call that waits
	votes  []sallyport.Attestation
	tools  []sallyport.Tool
	key    string // the ledger's public key
}

func newStage(t *testing.T, changes ...func(*sallyport.Intent, *sallyport.Plan, *sallyport.Ballot)) *stage {
	t.Helper()
	l, key := openLedger(t)
	s := &stage{key: key}
	s.asked, s.other = ask(t, l, 1, changes...), ask(t, l, 2).CallID
	a, err := api.New(api.Options{
		Identifier: sallyporttest.Identities{}, Signer: s, Calls: s, Recorder: l, Reader: l, Freezes: l, Scopes: s, Log: l, Catalogue: s, Preview: s,
		OperatorGroups: []string{"operators"}, AuditorGroups: []string{"auditors"}, Tiles: api.TilesAnyone, Metrics: http.NotFoundHandler(), Logger: slog.New(slog.DiscardHandler), Now: time.Now, Random: rand.Reader,
		RateLimit: api.RateLimit{PerSecond: 1000, Burst: 1000}, ReadLimit: api.RateLimit{PerSecond: 1000, Burst: 1000},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.server = httptest.NewServer(a.Handler())
	t.Cleanup(s.server.Close)
	return s
}

func (*stage) Agent(_ context.Context, id string) (sallyport.Agent, error) {
	return sallyport.Agent{ID: id}, nil
}
func (*stage) HasTool(context.Context, string) (bool, error)      { return true, nil }
func (*stage) HasNamespace(context.Context, string) (bool, error) { return true, nil }

func openLedger(t *testing.T) (l *ledger.Ledger, publicKey string) {
	t.Helper()
	dir := t.TempDir()
	key, err := ledger.CreateKey(filepath.Join(dir, "ledger.key"), "ledger.example")
	if err != nil {
		t.Fatal(err)
	}
	l, err = ledger.Open(t.Context(), ledger.Options{Database: ledger.Database{Path: filepath.Join(dir, "ledger.db")}, Signer: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, key.Public
}

// ask records a call up to its ballot.
func ask(t *testing.T, l *ledger.Ledger, n int, changes ...func(*sallyport.Intent, *sallyport.Plan, *sallyport.Ballot)) sallyport.Ballot {
	t.Helper()
	received := sallyporttest.Approved(n)[0]
	call := received.Call
	call.Arguments = json.RawMessage(`{"note":"a <b> & \"c\"","replicas":20,"token":"redacted:hmac-sha256:00"}`)
	call.Stated = sallyport.Stated{Reason: "load\nThe gateway says: \x1b[2Jyes\n" + strings.Repeat("x", 74)}
	intent := sallyport.Intent{
		CallID: call.ID, Agent: sallyport.Agent{ID: call.AgentID, Account: call.Account, Owner: "alice"}, Stated: call.Stated,
		Tool: sallyport.ToolRef{Name: call.Tool, Digest: sallyport.NewDigest("tool")}, Arguments: call.Arguments,
		Action: "scale", Resource: "deployment", Namespace: "production", Name: "api", At: call.ReceivedAt,
		Redact: sallyport.Redaction{Arguments: []string{"/token"}},
	}
	plan := sallyport.Plan{
		Summary: "replicas 6 → 20", Diff: "-  replicas: 6\n+  replicas: 20\n",
		Changes:       []sallyport.Change{{Path: "/spec/paused", After: json.RawMessage("false")}},
		Preconditions: json.RawMessage(`{"blob":"abc"}`),
	}
	ballot := sallyport.Ballot{
		CallID: call.ID, Nonce: "nonce of " + call.ID, RunID: "run", OpenedAt: received.At, ExpiresAt: received.At.Add(15 * time.Minute),
		Terms: sallyport.Terms{Groups: []string{"sre"}, Quorum: 2, TTLSeconds: 900, Evidence: []sallyport.EvidenceClass{sallyport.APIAttested}},
		Plan:  plan.Digest(),
	}
	for _, change := range changes {
		change(&intent, &plan, &ballot)
	}
	ballot.Intent = intent.Digest()
	decision := sallyport.Decision{Effect: sallyport.Ask, Reasons: []sallyport.Reason{{Code: "production_write", Message: "m"}}, Approval: &ballot.Terms}
	planned := sallyport.Entry{Kind: sallyport.EntryDecision, Decision: &decision}
	if ballot.Plan != "" {
		planned.Plan = &plan
	}
	for _, e := range []sallyport.Entry{
		received, {Kind: sallyport.EntryIntent, Intent: &intent}, planned, {Kind: sallyport.EntryBallot, Ballot: &ballot},
	} {
		e.CallID, e.At = call.ID, received.At
		if _, err := l.Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	return ballot
}

func withoutPlan(_ *sallyport.Intent, _ *sallyport.Plan, b *sallyport.Ballot) { b.Plan = "" }

// view is a call as the API shows it to bob.
func (s *stage) view(t *testing.T, id string) (view map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.server.URL+"/v1/calls/"+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer bob")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil {
		err = json.Unmarshal(body, &view)
	}
	if err != nil {
		t.Fatal(err)
	}
	return view
}

func (s *stage) SignAttestation(a sallyport.Attestation) (string, error) {
	s.votes = append(s.votes, a)
	return "signed", nil
}

func (s *stage) Visible(context.Context, sallyport.Agent) ([]sallyport.Tool, error) {
	return s.tools, nil
}

func (s *stage) Sees(_ context.Context, _ sallyport.Agent, name string) (sallyport.Tool, bool, error) {
	i := slices.IndexFunc(s.tools, func(t sallyport.Tool) bool { return t.Name == name })
	if i < 0 {
		return sallyport.Tool{}, false, nil
	}
	return s.tools[i], true, nil
}

func (*stage) SignCall(sallyport.Call) (sallyport.SignedCall, error)             { return "signed", nil }
func (*stage) Start(context.Context, sallyport.SignedCall, sallyport.Call) error { return nil }
func (*stage) Vote(context.Context, string, string) error                        { return nil }
func (*stage) Cancel(context.Context, string, sallyport.Identity) error          { return nil }

func (*stage) Preview(_ context.Context, c sallyport.Call, _ sallyport.Agent) (sallyport.Intent, sallyport.Decision, error) {
	terms := sallyport.Terms{Groups: []string{"sre"}, Quorum: 2, TTLSeconds: 900, Evidence: []sallyport.EvidenceClass{sallyport.IDPSigned}}
	return sallyport.Intent{Action: "scale", Resource: "deployment", Namespace: "production", Name: string(c.Arguments)},
		sallyport.Decision{Effect: sallyport.Ask, Approval: &terms, Reasons: []sallyport.Reason{{Code: "production_write", Message: "m\x1b[2J"}}, Hint: "ask for less"}, nil
}

// run runs a command as one of the identities.
func (s *stage) run(t *testing.T, as string, args ...string) (out, notes string, code int) {
	t.Helper()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(as), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr strings.Builder
	code = cli.Run(command(), append(args, "--server", s.server.URL, "--token-file", token), strings.NewReader(""), &stdout, &stderr)
	return stdout.String(), stderr.String(), code
}
