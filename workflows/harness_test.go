package workflows_test

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
	"go.temporal.io/sdk/testsuite"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/activities"
	"github.com/sallyport/sallyport/jws"
	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/worker"
	"github.com/sallyport/sallyport/workflows"
)

// house is a gateway without its walls: the real workflow and activities over
// fakes of what they reach.
type house struct {
	t       *testing.T
	now     func() time.Time
	signer  *jws.Signer
	ledger  *sallyporttest.Ledger
	runner  *sallyporttest.Runner
	policy  *policy
	signals *signals
	acts    *activities.Activities
}

const (
	peopleIssuer = "https://people.test"
	agentsIssuer = "https://agents.test"
)

func newHouse(t *testing.T, now func() time.Time) *house {
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
	h := &house{
		t: t, now: now, signer: signer, ledger: sallyporttest.NewLedger(), runner: &sallyporttest.Runner{},
		policy: &policy{decision: sallyport.Decision{Effect: sallyport.Allow, Revision: "r1"}}, signals: &signals{},
	}
	h.acts, err = activities.New(activities.Options{
		Verifier: verifier, Directory: directory{}, Catalogue: catalogue{}, Policy: h.policy, Ledger: h.ledger,
		Runners: map[string]sallyport.Runner{"fake": h.runner}, Signals: h.signals, PrincipalIssuer: peopleIssuer,
		Meter: meter{}, Logger: slog.New(slog.DiscardHandler), Now: now, Random: rand.Reader, HeartbeatEvery: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// env is a test environment whose workflow is the call's.
func (h *house) env(call sallyport.Call) *testsuite.TestWorkflowEnvironment {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(worker.Logger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	worker.Register(env, h.acts)
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: workflows.WorkflowID(call.ID), TaskQueue: workflows.TaskQueue})
	env.SetTestTimeout(20 * time.Second)
	return env
}

// call makes a call of a tool, as the API would have received it.
func (h *house) call(tool string) (sallyport.Call, sallyport.SignedCall) {
	h.t.Helper()
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		h.t.Fatal(err)
	}
	c := sallyport.Call{
		ID: sallyport.CallID(id), AgentID: "deploy-bot", Account: sallyport.Account{Issuer: agentsIssuer, Subject: "deploy-bot"},
		Tool: tool, Arguments: json.RawMessage(`{"replicas":5}`), Body: sallyport.NewDigest("body"), ReceivedAt: h.now().UTC(),
		Claimed: sallyport.Claims{Reason: "latency | `rm -rf` \u202e"},
	}
	signed, err := h.signer.SignCall(c)
	if err != nil {
		h.t.Fatal(err)
	}
	h.record(sallyport.Entry{CallID: c.ID, Kind: sallyport.EntryReceived, At: c.ReceivedAt, Call: &c, Signed: signed})
	return c, signed
}

func (h *house) record(e sallyport.Entry) {
	h.t.Helper()
	if _, err := h.ledger.Record(context.Background(), e); err != nil {
		h.t.Fatal(err)
	}
}

// attest is the API's word that a person votes on the call's open ballot.
func (h *house) attest(callID, person string, v sallyport.Verdict) string {
	h.t.Helper()
	rec := h.read(callID)
	if rec.Ballot == nil {
		h.t.Fatalf("call %s has no ballot", callID)
	}
	token, err := h.signer.SignAttestation(sallyport.Attestation{
		CallID: callID, Account: sallyport.Account{Issuer: peopleIssuer, Subject: person},
		Paper: sallyport.BallotPaper{Verdict: v, Ballot: rec.Ballot.Digest()}, At: h.now().UTC(),
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return token
}

func (h *house) read(callID string) sallyport.Record {
	h.t.Helper()
	rec, err := h.ledger.Call(context.Background(), callID)
	if err != nil {
		h.t.Fatal(err)
	}
	return rec
}

// kinds lists what the ledger recorded of a call.
func (h *house) kinds(callID string) []sallyport.EntryKind {
	var kinds []sallyport.EntryKind
	for _, e := range h.ledger.Entries(callID) {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

func (h *house) wantEnd(callID string, state sallyport.State, code string) {
	h.t.Helper()
	rec := h.read(callID)
	got := ""
	if rec.Outcome != nil && rec.Outcome.Error != nil {
		got = rec.Outcome.Error.Code
	}
	if d := cmp.Diff([]string{string(state), code}, []string{string(rec.State), got}); d != "" {
		h.t.Errorf("the call's end (-want +got)\n%s%+v", d, rec.Outcome)
	}
}

// directory knows the demo's identities.
type directory struct{}

func (directory) Agent(a sallyport.Account) (sallyport.Agent, error) {
	if a != (sallyport.Account{Issuer: agentsIssuer, Subject: "deploy-bot"}) {
		return sallyport.Agent{}, sallyport.Errorf(sallyport.NotFound, "unknown_agent", "no such agent")
	}
	return sallyport.Agent{ID: "deploy-bot", Account: a, Owner: "alice"}, nil
}

func (directory) Person(a sallyport.Account) (sallyport.Person, error) {
	groups := map[string][]string{"alice": {"sre"}, "bob": {"sre"}, "carol": {"sre"}, "dave": {"dev"}, "robert": {"sre"}}
	g, ok := groups[a.Subject]
	if !ok || a.Issuer != peopleIssuer {
		return sallyport.Person{}, sallyport.Errorf(sallyport.NotFound, "unknown_person", "no such person")
	}
	if a.Subject == "robert" {
		a.Subject = "bob" // his other account
	}
	return sallyport.Person{ID: a.Subject, Groups: g}, nil
}

// catalogue has a tool that writes, one that reads, and one without a runner.
type catalogue struct{}

func (catalogue) Tools() []sallyport.Tool {
	return []sallyport.Tool{
		{Name: "write", Digest: sallyport.NewDigest("write"), Runner: "fake", Timeout: time.Minute},
		{Name: "read", Digest: sallyport.NewDigest("read"), Runner: "fake", Timeout: time.Minute, ReadOnly: true, PlanNever: true},
		{Name: "nowhere", Digest: sallyport.NewDigest("nowhere"), Runner: "none", Timeout: time.Minute},
		{Name: "planned", Digest: sallyport.NewDigest("planned"), Runner: "fake", Timeout: time.Minute, PlanAlways: true},
	}
}

func (c catalogue) Tool(name string) (sallyport.Tool, bool) {
	for _, t := range c.Tools() {
		if t.Name == name {
			return t, true
		}
	}
	return sallyport.Tool{}, false
}

func (c catalogue) Resolve(call sallyport.Call, a sallyport.Agent) (sallyport.Intent, error) {
	t, _ := c.Tool(call.Tool)
	if string(call.Arguments) == `{"replicas":-1}` {
		e := sallyport.Errorf(sallyport.Invalid, "invalid_arguments", "the arguments do not fit the schema")
		e.Fields = []sallyport.Field{{Pointer: "/arguments/replicas", Detail: "must be at least 0"}}
		return sallyport.Intent{}, e
	}
	return sallyport.Intent{
		CallID: call.ID, Agent: a, Claimed: call.Claimed, Arguments: call.Arguments, At: call.ReceivedAt,
		Tool:   sallyport.ToolRef{Name: t.Name, Digest: t.Digest, ReadOnly: t.ReadOnly},
		Action: "scale", Resource: "deployment", Namespace: "production", Name: "api",
	}, nil
}

// policy answers what a test tells it to.
type policy struct {
	mu       sync.Mutex
	decision sallyport.Decision
	err      error
	hidden   bool
}

func (p *policy) set(d sallyport.Decision, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.decision, p.err = d, err
}

func (p *policy) Decide(context.Context, sallyport.Question) (sallyport.Decision, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.decision, p.err
}

func (p *policy) DecideVote(context.Context, sallyport.VoteQuestion) ([]sallyport.Reason, error) {
	return nil, nil
}

func (p *policy) Visible(context.Context, sallyport.Agent, sallyport.Tool) (bool, error) {
	return !p.hidden, nil
}

// asks is a decision to ask n people of the group sre.
func asks(n int) sallyport.Decision {
	return sallyport.Decision{
		Effect: sallyport.Ask, Revision: "r1", Reasons: []sallyport.Reason{{Code: "production_write", Message: "production"}},
		Approval: &sallyport.Terms{
			Groups: []string{"sre"}, Quorum: n, TTLSeconds: 3600,
			Evidence: []sallyport.EvidenceClass{sallyport.TemporalPrincipal, sallyport.APIAttested},
		},
	}
}

// signals is a workflow's history as far as signals go.
type signals struct {
	mu  sync.Mutex
	all []activities.Signal
}

func (s *signals) send(sig activities.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sig.EventID = int64(len(s.all) + 1)
	s.all = append(s.all, sig)
}

func (s *signals) Signals(_ context.Context, _, _ string, after int64) ([]activities.Signal, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]activities.Signal(nil), s.all[min(int(after), len(s.all)):]...), nil
}

type meter struct{}

func (meter) Call(context.Context, sallyport.Intent, sallyport.State) {}
func (meter) Step(context.Context, string, time.Duration, error)      {}
