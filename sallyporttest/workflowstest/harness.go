// Package workflowstest is a harness for tests: the real workflow and activities
// over fakes of their dependencies.
package workflowstest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/activities"
	"github.com/sallyport/sallyport/adapters/jws"
	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/worker"
	"github.com/sallyport/sallyport/workflows/wire"
)

// Harness is a gateway put together for tests.
type Harness struct {
	T       testing.TB
	Now     func() time.Time
	Signer  *jws.Signer
	Ledger  *sallyporttest.Ledger
	Runner  *sallyporttest.Runner
	Policy  *Policy
	Signals *Signals
	IDP     *Provider
	Acts    *activities.Activities
}

// New builds a gateway in which policy allows everything.
func New(t testing.TB, now func() time.Time) *Harness {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jws.NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := jws.NewVerifier(key.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	h := &Harness{
		T: t, Now: now, Signer: signer, Ledger: sallyporttest.NewLedger(), Runner: &sallyporttest.Runner{},
		Policy: &Policy{Decision: sallyport.Decision{Effect: sallyport.Allow, Revision: "r1"}}, Signals: &Signals{}, IDP: newProvider(t, now),
	}
	h.Acts, err = activities.New(activities.Options{
		Evaluator: activities.Evaluator{
			Catalogue: Catalogue{}, Policy: h.Policy, HistoryReader: h.Ledger, Logger: slog.New(slog.DiscardHandler), Now: now,
		},
		Verifier: verifier, Votes: h.IDP, Directory: sallyporttest.Identities{}, Ledger: h.Ledger,
		Runners: map[string]sallyport.Runner{"fake": h.Runner}, Signals: h.Signals, PrincipalIssuer: sallyporttest.PeopleIssuer,
		Meter: meter{}, Random: rand.Reader, HeartbeatEvery: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// Env is a test environment whose workflow is the call's.
func (h *Harness) Env(call sallyport.Call) *testsuite.TestWorkflowEnvironment {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	worker.Register(env, h.Acts)
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: wire.WorkflowID(call.ID), TaskQueue: wire.TaskQueue})
	env.SetTestTimeout(20 * time.Second)
	return env
}

// Call makes a call of a tool, as the API would have received it.
func (h *Harness) Call(tool string) (sallyport.Call, sallyport.SignedCall) {
	h.T.Helper()
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		h.T.Fatal(err)
	}
	c := sallyport.Call{
		ID: sallyport.CallID(id), AgentID: "deploy-bot", Account: sallyport.Account{Issuer: sallyporttest.AgentIssuer, Subject: "deploy-bot"},
		Tool: tool, Arguments: json.RawMessage(`{"replicas":5}`), Body: sallyport.NewDigest("body"), ReceivedAt: h.Now().UTC(),
		Stated: sallyport.Stated{Reason: "latency | `rm -rf` \u202e"},
	}
	signed, err := h.Signer.SignCall(c)
	if err != nil {
		h.T.Fatal(err)
	}
	h.Record(sallyport.Entry{CallID: c.ID, Kind: sallyport.EntryReceived, At: c.ReceivedAt, Call: &c, Signed: signed})
	return c, signed
}

// Record appends an entry to the ledger.
func (h *Harness) Record(e sallyport.Entry) {
	h.T.Helper()
	if _, err := h.Ledger.Record(context.Background(), e); err != nil {
		h.T.Fatal(err)
	}
}

// Attest is the API's attestation that a person votes on the call's open ballot.
func (h *Harness) Attest(callID, person string, v sallyport.Verdict) string {
	h.T.Helper()
	return h.HandIn(callID, person, v, "")
}

// HandIn is the API's attestation that a person handed in an ID token as a vote
// on the call's open ballot.
func (h *Harness) HandIn(callID, person string, v sallyport.Verdict, idToken string) string {
	h.T.Helper()
	rec := h.Read(callID)
	if rec.Ballot == nil {
		h.T.Fatalf("call %s has no ballot", callID)
	}
	token, err := h.Signer.SignAttestation(sallyport.Attestation{
		CallID: callID, Account: sallyport.Account{Issuer: sallyporttest.PeopleIssuer, Subject: person}, IDToken: idToken,
		Paper: sallyport.BallotPaper{Verdict: v, Ballot: rec.Ballot.Digest()}, At: h.Now().UTC(),
	})
	if err != nil {
		h.T.Fatal(err)
	}
	return token
}

// Read reads what the ledger holds of a call.
func (h *Harness) Read(callID string) sallyport.Record {
	h.T.Helper()
	rec, err := h.Ledger.Call(context.Background(), callID)
	if err != nil {
		h.T.Fatal(err)
	}
	return rec
}

// Kinds lists what the ledger recorded of a call.
func (h *Harness) Kinds(callID string) []sallyport.EntryKind {
	var kinds []sallyport.EntryKind
	for _, e := range h.Ledger.Entries(callID) {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// WantEnd checks how a call ended.
func (h *Harness) WantEnd(callID string, state sallyport.State, code string) {
	h.T.Helper()
	rec := h.Read(callID)
	got := ""
	if rec.Outcome != nil && rec.Outcome.Error != nil {
		got = rec.Outcome.Error.Code
	}
	if d := cmp.Diff([]string{string(state), code}, []string{string(rec.State), got}); d != "" {
		h.T.Errorf("the call's end (-want +got)\n%s%+v", d, rec.Outcome)
	}
}

// Catalogue has a tool that writes, one that reads, and one without a runner.
type Catalogue struct{}

// Tools lists them.
func (Catalogue) Tools() []sallyport.Tool {
	return []sallyport.Tool{
		{Name: "write", Digest: sallyport.NewDigest("write"), Runner: "fake", Timeout: time.Minute},
		{Name: "read", Digest: sallyport.NewDigest("read"), Runner: "fake", Timeout: time.Minute, ReadOnly: true, PlanNever: true},
		{Name: "nowhere", Digest: sallyport.NewDigest("nowhere"), Runner: "none", Timeout: time.Minute},
		{Name: "planned", Digest: sallyport.NewDigest("planned"), Runner: "fake", Timeout: time.Minute, PlanAlways: true},
	}
}

// Tool finds one by name.
func (c Catalogue) Tool(name string) (sallyport.Tool, bool) {
	for _, t := range c.Tools() {
		if t.Name == name {
			return t, true
		}
	}
	return sallyport.Tool{}, false
}

// Resolve makes a call precise, and refuses a negative number of replicas.
func (c Catalogue) Resolve(call sallyport.Call, a sallyport.Agent) (sallyport.Intent, error) {
	t, _ := c.Tool(call.Tool)
	if string(call.Arguments) == `{"replicas":-1}` {
		e := sallyport.Errorf(sallyport.Invalid, "invalid_arguments", "the arguments do not fit the schema")
		e.Fields = []sallyport.Field{{Pointer: "/arguments/replicas", Detail: "must be at least 0"}}
		return sallyport.Intent{}, e
	}
	return sallyport.Intent{
		CallID: call.ID, Agent: a, Stated: call.Stated, Arguments: call.Arguments, At: call.ReceivedAt,
		Tool:   sallyport.ToolRef{Name: t.Name, Digest: t.Digest, ReadOnly: t.ReadOnly},
		Action: "scale", Resource: "deployment", Namespace: "production", Name: "api",
	}, nil
}

// CheckResult takes every result.
func (Catalogue) CheckResult(string, json.RawMessage) error { return nil }

// Policy returns the decision that a test sets.
type Policy struct {
	mu       sync.Mutex
	Decision sallyport.Decision
	Err      error
	Hidden   bool
}

// Set changes the decision.
func (p *Policy) Set(d sallyport.Decision, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Decision, p.Err = d, err
}

// Decide implements [sallyport.Decider].
func (p *Policy) Decide(context.Context, sallyport.Question) (sallyport.Decision, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.Decision, p.Err
}

// DecideVote implements [sallyport.VoteDecider].
func (p *Policy) DecideVote(context.Context, sallyport.VoteQuestion) ([]sallyport.Reason, error) {
	return nil, nil
}

// Visible implements [sallyport.Visibility].
func (p *Policy) Visible(context.Context, sallyport.Agent, sallyport.Tool) (bool, error) {
	return !p.Hidden, nil
}

// Asks is a decision to ask n people of the group sre.
func Asks(n int) sallyport.Decision {
	return sallyport.Decision{
		Effect: sallyport.Ask, Revision: "r1", Reasons: []sallyport.Reason{{Code: "production_write", Message: "production"}},
		Approval: &sallyport.Terms{
			Groups: []string{"sre"}, Quorum: n, TTLSeconds: 3600,
			Evidence: sallyport.EvidenceClasses(),
		},
	}
}

// Signals is a workflow's history as far as signals go.
type Signals struct {
	mu  sync.Mutex
	all []activities.Signal
}

// Send adds a signal.
func (s *Signals) Send(sig activities.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sig.EventID = int64(len(s.all) + 1)
	s.all = append(s.all, sig)
}

// Signals implements [activities.Signals].
func (s *Signals) Signals(_ context.Context, _, _ string, after int64) ([]activities.Signal, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]activities.Signal(nil), s.all[min(int(after), len(s.all)):]...), nil
}

type meter struct{}

func (meter) Call(context.Context, sallyport.Intent, sallyport.State) {}
func (meter) Step(context.Context, string, time.Duration, error)      {}
