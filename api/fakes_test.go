package api_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/api"
	"github.com/sallyport/sallyport/sallyporttest"
)

// gateway is a server with everything it needs, in memory.
type gateway struct {
	options  api.Options
	ledger   *sallyporttest.Ledger
	workflow *workflow
	clock    *clock
	down     *outages
	log      *logBuffer
}

func newGateway(tb testing.TB) *gateway {
	tb.Helper()
	g := &gateway{
		ledger: sallyporttest.NewLedger(),
		clock:  &clock{now: time.Date(2026, 11, 21, 22, 0, 0, 0, time.UTC)},
		down:   &outages{},
		log:    &logBuffer{},
	}
	g.ledger.Fail = func(sallyport.Entry) error { return g.down.check("ledger") }
	g.workflow = &workflow{ledger: g.ledger, clock: g.clock, down: g.down, started: map[string]int{}}
	g.options = api.Options{
		Identifier:     sallyporttest.Identities{Fail: func() error { return g.down.check("issuer") }},
		Signer:         signer{},
		Recorder:       g.ledger,
		Reader:         reader{Ledger: g.ledger, down: g.down},
		Freezes:        reader{Ledger: g.ledger, down: g.down},
		Scopes:         scopes{down: g.down},
		Log:            reader{Ledger: g.ledger, down: g.down},
		Calls:          g.workflow,
		Catalogue:      catalogue{down: g.down},
		Preview:        previewer{down: g.down},
		Ready:          []api.Check{{Name: "ledger", Check: func(context.Context) error { return g.down.check("ledger") }}},
		Metrics:        http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "agent_tool_calls_total 0\n") }),
		Logger:         slog.New(slog.NewJSONHandler(g.log, nil)),
		Now:            g.clock.Now,
		Random:         &dice{source: rand.NewChaCha8([32]byte{})},
		OperatorGroups: []string{"operators"},
		AuditorGroups:  []string{"auditors"},
		Tiles:          api.TilesAuditors,
		ApproveURL:     func(r sallyport.Record) string { return "http://temporal.test/call-" + r.Call.ID + "/user-metadata" },
		Tool:           catalogue{}.tool,
		JoinWrites:     time.Minute,
		ExternalURL:    &url.URL{Scheme: "https", Host: "sallyport.test"},
		AgentIssuers:   func() []string { return []string{sallyporttest.AgentIssuer} },
		RateLimit:      api.RateLimit{PerSecond: 1000, Burst: 1000},
		ReadLimit:      api.RateLimit{PerSecond: 1000, Burst: 1000},
	}
	return g
}

func (g *gateway) server(tb testing.TB) *api.Server {
	tb.Helper()
	s, err := api.New(g.options)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// dice roll the same numbers in every test.
type dice struct {
	mu     sync.Mutex
	source *rand.ChaCha8
}

func (d *dice) Read(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.source.Read(p)
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// outages say what is out of reach now.
type outages struct {
	mu   sync.Mutex
	what map[string]bool
}

func (o *outages) set(what string, down bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.what == nil {
		o.what = map[string]bool{}
	}
	o.what[what] = down
}

func (o *outages) check(what string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.what[what] {
		return sallyport.Errorf(sallyport.Unavailable, what+"_unavailable", "no connection: %w", errors.New("dial tcp 10.0.0.7:5432: refused, user=gateway"))
	}
	return nil
}

// signer signs so that the fakes can open it again.
type signer struct{}

func (signer) SignCall(c sallyport.Call) (sallyport.SignedCall, error) {
	s, err := seal(c)
	return sallyport.SignedCall(s), err
}

func (signer) SignAttestation(a sallyport.Attestation) (string, error) { return seal(a) }

func seal(v any) (string, error) {
	b, err := json.Marshal(v)
	return base64.RawURLEncoding.EncodeToString(b), err
}

func unseal(s string, v any) error {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// reader is the ledger's, with outages.
type reader struct {
	*sallyporttest.Ledger
	down *outages
}

func (r reader) Call(ctx context.Context, id string) (sallyport.Record, error) {
	if err := r.down.check("ledger"); err != nil {
		return sallyport.Record{}, err
	}
	return r.Ledger.Call(ctx, id)
}

func (r reader) Calls(ctx context.Context, q sallyport.Query) (sallyport.Page, error) {
	if err := r.down.check("ledger"); err != nil {
		return sallyport.Page{}, err
	}
	if q.Limit == 0 {
		q.Limit = 2 // so that lists have more than one page
	}
	return r.Ledger.Calls(ctx, q)
}

func (r reader) Held(ctx context.Context) ([]sallyport.FreezeRecord, error) {
	if err := r.down.check("ledger"); err != nil {
		return nil, err
	}
	return r.Ledger.Held(ctx)
}

func (r reader) Freeze(ctx context.Context, id string) (sallyport.FreezeRecord, error) {
	if err := r.down.check("ledger"); err != nil {
		return sallyport.FreezeRecord{}, err
	}
	return r.Ledger.Freeze(ctx, id)
}

func (r reader) Prove(_ context.Context, id string, contents bool) ([]byte, error) {
	if len(r.Entries(id)) == 0 {
		return nil, sallyport.Errorf(sallyport.NotFound, "no_such_call", "there is no call %q", id)
	}
	if err := r.down.check("signer"); err != nil {
		return nil, err
	}
	proof := map[string]any{"version": "sallyport/proof/v1", "call": id, "checkpoint": "test\n", "leaves": []any{
		map[string]any{"index": 0, "leaf": "{}", "inclusion": []any{}},
	}}
	if contents {
		proof["salt"] = "c2FsdA=="
	}
	return json.Marshal(proof)
}

func (r reader) Tile(_ context.Context, path string) ([]byte, error) {
	if err := r.down.check("ledger"); err != nil {
		return nil, err
	}
	b, ok := map[string]string{"checkpoint": "test\n0\n", "tile/0/x001/067.p/3": "hashes", "tile/entries/000": "leaves"}[path]
	if !ok || r.down.check("publication") != nil {
		return nil, sallyport.Errorf(sallyport.NotFound, "no_tile", "there is no %s", path)
	}
	return []byte(b), nil
}

type catalogue struct{ down *outages }

func toolNames() []string { return []string{"gitops_get_manifest", "gitops_scale_deployment"} }

func (catalogue) tool(name string) (sallyport.Tool, bool) {
	t := sallyport.Tool{
		Name: name, Title: "Title of " + name, Description: "Description of " + name,
		Digest: sallyport.NewDigest("manifest", []byte(name)), InputSchema: json.RawMessage(`{"type":"object"}`), ReadOnly: name == "gitops_get_manifest",
	}
	if t.ReadOnly {
		t.ResultSchema = json.RawMessage(`{"type":"object","required":["manifest"],"properties":{"manifest":{"type":"string"}}}`)
	}
	return t, slices.Contains(toolNames(), name)
}

func (c catalogue) Sees(_ context.Context, a sallyport.Agent, name string) (sallyport.Tool, bool, error) {
	t, ok := c.tool(name)
	return t, ok && sees(a.ID, name), c.down.check("policy")
}

// sees reports whether an agent sees a tool, if there is one.
func sees(agent, tool string) bool { return agent != "triage-bot" || tool == "gitops_get_manifest" }

func (c catalogue) Visible(_ context.Context, a sallyport.Agent) ([]sallyport.Tool, error) {
	if err := c.down.check("policy"); err != nil {
		return nil, err
	}
	var visible []sallyport.Tool
	for _, name := range toolNames() {
		if !sees(a.ID, name) {
			continue
		}
		t, _ := c.tool(name)
		visible = append(visible, t)
	}
	return visible, nil
}

// scopes knows the agents of the tests, the catalogue's tools and two namespaces.
type scopes struct{ down *outages }

func (s scopes) has(name string, names ...string) (bool, error) {
	return slices.Contains(names, name), s.down.check("catalogue")
}

func (s scopes) Agent(_ context.Context, id string) (sallyport.Agent, error) {
	if err := s.down.check("catalogue"); err != nil {
		return sallyport.Agent{}, err
	}
	return sallyporttest.Identities{}.Agent(sallyport.Account{Issuer: sallyporttest.AgentIssuer, Subject: id})
}

func (s scopes) HasTool(_ context.Context, name string) (bool, error) {
	return s.has(name, toolNames()...)
}

func (s scopes) HasNamespace(_ context.Context, name string) (bool, error) {
	return s.has(name, "staging", "production")
}

type previewer struct{ down *outages }

func (p previewer) Preview(_ context.Context, c sallyport.Call, a sallyport.Agent) (sallyport.Intent, sallyport.Decision, error) {
	if err := p.down.check("policy"); err != nil {
		return sallyport.Intent{}, sallyport.Decision{}, err
	}
	args := argumentsOf(c)
	if failure := refusedAsMalformed(c, args); failure != nil {
		kind := sallyport.Invalid
		if failure.Code == "unknown_tool" {
			kind = sallyport.NotFound
		}
		return sallyport.Intent{}, sallyport.Decision{}, &sallyport.Error{Kind: kind, Code: failure.Code, Message: failure.Message, Fields: failure.Fields}
	}
	return intentFor(c, args, a.Owner), decisionFor(args), nil
}

type arguments struct {
	Environment string `json:"environment"`
	Name        string `json:"name"`
	Replicas    int    `json:"replicas"`
}

func argumentsOf(c sallyport.Call) arguments {
	var a arguments
	_ = json.Unmarshal(c.Arguments, &a) // anything else is no arguments
	return a
}

func refusedAsMalformed(c sallyport.Call, args arguments) *sallyport.Failure {
	switch {
	case !slices.Contains(toolNames(), c.Tool) || !sees(c.AgentID, c.Tool):
		return &sallyport.Failure{Code: "unknown_tool", Message: "there is no such tool, or it is not yours to see"}
	case args.Replicas > 1000:
		return &sallyport.Failure{
			Code: "invalid_arguments", Message: "the arguments do not fit the tool's schema",
			Fields: []sallyport.Field{{Pointer: "/arguments/replicas", Detail: "must be at most 1000"}},
		}
	default:
		return nil
	}
}

func intentFor(c sallyport.Call, args arguments, owner string) sallyport.Intent {
	action := map[string]string{"gitops_get_manifest": "get", "gitops_scale_deployment": "scale"}[c.Tool]
	return sallyport.Intent{
		CallID: c.ID, Agent: sallyport.Agent{ID: c.AgentID, Account: c.Account, Owner: owner}, Stated: c.Stated,
		Tool:      sallyport.ToolRef{Name: c.Tool, Digest: sallyport.NewDigest("manifest", []byte(c.Tool))},
		Arguments: c.Arguments, Action: action, Resource: "deployment", Namespace: args.Environment, Name: args.Name, At: c.ReceivedAt,
	}
}

func decisionFor(args arguments) sallyport.Decision {
	d := sallyport.Decision{Effect: sallyport.Allow, Revision: "r1", Reasons: []sallyport.Reason{{Code: "granted", Message: "a grant allows it"}}}
	switch {
	case args.Replicas > 10:
		d.Effect, d.Reasons = sallyport.Deny, []sallyport.Reason{{Code: "replica_cap", Message: "at most 10 replicas"}}
		d.Hint = "ask for 10 replicas, and look at the load after it"
	case args.Environment == "production":
		d.Effect, d.Reasons = sallyport.Ask, []sallyport.Reason{{Code: "production_write", Message: "writes to production need a person"}}
		d.Approval = &sallyport.Terms{
			Groups: []string{"sre"}, Quorum: 1, TTLSeconds: 900,
			Evidence: []sallyport.EvidenceClass{sallyport.TemporalPrincipal, sallyport.APIAttested},
		}
	}
	return d
}
