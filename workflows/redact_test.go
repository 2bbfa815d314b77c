package workflows_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/sallyporttest/workflowstest"
	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/workflows"
	"github.com/sallyport/sallyport/workflows/wire"
)

const secret = "correct horse"

// redacting has tools whose manifests redact.
type redacting struct{ workflowstest.Catalogue }

func (redacting) rules() sallyport.Redaction {
	return sallyport.Redaction{Arguments: []string{"/token"}, Result: []string{"/data"}, KeepResult: []string{"/data", "/by_policy", "/kept"}}
}

func (c redacting) Tool(name string) (sallyport.Tool, bool) {
	t, ok := c.Catalogue.Tool(name)
	t.Redact = c.rules()
	return t, ok
}

func (c redacting) Resolve(call sallyport.Call, a sallyport.Agent) (sallyport.Intent, error) {
	i, err := c.Catalogue.Resolve(call, a)
	i.Redact, i.Seal = c.rules(), call.Seal
	return i, err
}

// secretive is a harness whose tools redact, and a call that has a secret, as the
// API takes it.
func secretive(t *testing.T, now func() time.Time) (*workflowstest.Harness, sallyport.Call, sallyport.SignedCall) {
	t.Helper()
	return secretiveWith(t, now, secret)
}

// secretiveWith is secretive with another value.
func secretiveWith(t *testing.T, now func() time.Time, value string) (*workflowstest.Harness, sallyport.Call, sallyport.SignedCall) {
	t.Helper()
	arguments, err := strict.Canonical(map[string]any{"replicas": 5, "token": value})
	if err != nil {
		t.Fatal(err)
	}
	h := workflowstest.New(t, now)
	h.Acts.Catalogue = redacting{}
	h.Runner.PlanFunc = func(_ context.Context, i sallyport.Intent) (sallyport.Plan, error) {
		p := sallyporttest.PlanOf(i)
		p.Summary, p.Diff = "sets "+secret, "+ token: "+secret
		p.Changes = []sallyport.Change{{Path: "/token", Before: json.RawMessage("null"), After: json.RawMessage(`"` + secret + `"`)}}
		return p, nil
	}
	call, _ := h.Call("unheard_of") // which leaves another call's entries alone
	call.ID, call.Tool = sallyport.CallID([16]byte{7}), "write"
	call.Arguments, call.Redact, call.Seal = arguments, []string{"/token"}, []byte("seal")
	signed, err := h.Signer.SignCall(call)
	if err != nil {
		t.Fatal(err)
	}
	stored := call.Redacted()
	kept, err := h.Signer.SignCall(stored)
	if err != nil {
		t.Fatal(err)
	}
	h.Record(sallyport.Entry{CallID: call.ID, Kind: sallyport.EntryReceived, At: call.ReceivedAt, Call: &stored, Signed: kept})
	return h, call, signed
}

// answers lets the runner act, if it was told the whole of the arguments, and
// answer with what is not to be stored.
func answers(t *testing.T, h *workflowstest.Harness) func(context.Context, sallyport.Permit) (sallyport.Outcome, error) {
	return func(_ context.Context, p sallyport.Permit) (sallyport.Outcome, error) {
		if !strings.Contains(string(p.Intent().Arguments), secret) {
			t.Errorf("the tool is told %s", p.Intent().Arguments)
		}
		h.Runner.Act(p)
		out := sallyporttest.OutcomeOf(p, sallyport.StateFailed)
		out.Result = json.RawMessage(`{"data":"the customer's","more":"` + secret + `","by_policy":"x","kept":1}`)
		out.Error = &sallyport.Failure{Code: "odd", Message: "no good: " + secret}
		return out, nil
	}
}

// wantNoSecret looks for what must not be stored in all that was.
func wantNoSecret(t *testing.T, h *workflowstest.Harness, callID string) {
	t.Helper()
	b, err := json.Marshal(h.Ledger.Entries(callID))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{secret, "customer", `"seal"`, "by_policy\":\"x"} {
		if strings.Contains(string(b), s) {
			t.Errorf("the ledger holds %q: %s", s, b)
		}
	}
	if out := h.Read(callID).Outcome; out != nil && out.Result != nil && !strings.Contains(string(out.Result), `"kept":1`) {
		t.Errorf("of the result there is left %s", out.Result)
	}
}

// TestRedaction runs a call with a secret in its arguments and its result, with
// people and without, and after a crash.
func TestRedaction(t *testing.T) {
	asks, allows := workflowstest.Asks(1), sallyport.Decision{Effect: sallyport.Allow}
	asks.Obligations.Redact, allows.Obligations.Redact = []string{"/by_policy"}, []string{"/by_policy"}
	for name, tt := range map[string]struct {
		policy sallyport.Decision
		crash  bool
	}{"Allowed": {allows, false}, "Approved": {asks, false}, "AfterACrash": {allows, true}} {
		t.Run(name, func(t *testing.T) {
			h, call, signed := secretive(t, time.Now)
			h.Policy.Set(tt.policy, nil)
			h.Runner.RunFunc = answers(t, h)
			if tt.crash {
				h.Acts.Runners["fake"] = &sallyporttest.Resumable{Runner: h.Runner, Rerun: true}
				crashed := false
				h.Ledger.FailAfter = func(e sallyport.Entry) error {
					if e.Kind != sallyport.EntryStart || crashed {
						return nil
					}
					crashed = true
					return errors.New("the worker died")
				}
			}
			env := h.Env(call)
			env.RegisterDelayedCallback(func() {
				if h.Read(call.ID).Ballot != nil {
					env.UpdateWorkflow(wire.VoteUpdate, "bob", &updateResult{t, ""}, h.Attest(call.ID, "bob", sallyport.Approve))
				}
			}, time.Second)
			env.ExecuteWorkflow(workflows.ToolCall, signed)
			if err := env.GetWorkflowError(); err != nil {
				t.Fatal(err)
			}
			h.WantEnd(call.ID, sallyport.StateFailed, "odd")
			if n := h.Runner.Effects(call.ID); n != 1 {
				t.Errorf("%d effects", n)
			}
			wantNoSecret(t, h, call.ID)
		})
	}
}

// TestRedactedPreconditions: what the write itself would enforce can't be left
// out, and is not stored.
func TestRedactedPreconditions(t *testing.T) {
	h, call, signed := secretive(t, time.Now)
	h.Policy.Set(workflowstest.Asks(1), nil)
	h.Runner.PlanFunc = func(_ context.Context, i sallyport.Intent) (sallyport.Plan, error) {
		p := sallyporttest.PlanOf(i)
		p.Preconditions = json.RawMessage(`{"token":"` + secret + `"}`)
		return p, nil
	}
	env := h.Env(call)
	env.ExecuteWorkflow(workflows.ToolCall, signed)
	h.WantEnd(call.ID, sallyport.StateDenied, "not_redactable")
	wantNoSecret(t, h, call.ID)
}

// TestRedactedFailure: what a tool says when it can't plan is recorded without
// what it was told.
func TestRedactedFailure(t *testing.T) {
	h, call, signed := secretive(t, time.Now)
	h.Policy.Set(workflowstest.Asks(1), nil)
	h.Runner.PlanFunc = func(context.Context, sallyport.Intent) (sallyport.Plan, error) {
		return sallyport.Plan{}, sallyport.Errorf(sallyport.Denied, "bad_token", "there is no token %q", secret)
	}
	env := h.Env(call)
	env.ExecuteWorkflow(workflows.ToolCall, signed)
	h.WantEnd(call.ID, sallyport.StateDenied, "bad_token")
	wantNoSecret(t, h, call.ID)
}

// TestRedactedDrift: a drift in what is left out is noticed, and does not tell
// of it.
func TestRedactedDrift(t *testing.T) {
	h, call, signed := secretive(t, time.Now)
	env := h.Env(call)
	swapped := h.Read(call.ID).Call
	swapped.Arguments = json.RawMessage(`{"replicas":5,"token":"redacted:hmac-sha256:00"}`)
	h.Ledger.Fail = func(e sallyport.Entry) error {
		if e.Kind == sallyport.EntryIntent {
			e.Intent.Arguments = swapped.Arguments
		}
		return nil
	}
	env.ExecuteWorkflow(workflows.ToolCall, signed)
	if rec := h.Read(call.ID); rec.Start != nil || !slices.Contains(h.Kinds(call.ID), sallyport.EntryDrift) {
		t.Errorf("it ended as %s, with %v", rec.State, h.Kinds(call.ID))
	}
	wantNoSecret(t, h, call.ID)
	var failed *temporal.ApplicationError
	if err := env.GetWorkflowError(); err != nil && (!errors.As(err, &failed) || strings.Contains(err.Error(), secret)) {
		t.Errorf("the workflow's error says %v", err)
	}
}

// TestLostSeal: where the call comes from the ledger, the values to look for are
// lost. Of what the tool answered neither result nor message is recorded then.
func TestLostSeal(t *testing.T) {
	for name, tt := range map[string]struct {
		end           func(*workflowstest.Harness, sallyport.Call, sallyport.SignedCall)
		code, message string
		result        string
	}{
		"Sweeper": {func(h *workflowstest.Harness, call sallyport.Call, _ sallyport.SignedCall) {
			if _, err := h.Acts.Lost(t.Context(), h.Read(call.ID), "its workflow is gone"); err != nil {
				t.Error(err)
			}
		}, "interrupted", "the tool's message is not kept", ""},
		"Workflow": {func(h *workflowstest.Harness, call sallyport.Call, signed sallyport.SignedCall) {
			h.Env(call).ExecuteWorkflow(workflows.ToolCall, signed)
		}, "odd", "no good: [redacted]", `{"kept":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			h, call, signed := secretive(t, time.Now)
			h.Acts.Reconcilers = map[string]sallyport.Reconciler{"fake": sallyport.ReconcilerFunc(func(context.Context, sallyport.Intent) (*sallyport.Outcome, error) {
				return &sallyport.Outcome{
					State: sallyport.StateFailed, Result: json.RawMessage(`{"kept":1,"more":"` + secret + `"}`), Reference: secret,
					Error: &sallyport.Failure{Code: "odd", Message: "no good: " + secret, Fields: []sallyport.Field{{Pointer: "/token", Detail: secret}}},
				}, nil
			})}
			agent, err := sallyporttest.Identities{}.Agent(call.Account)
			if err != nil {
				t.Fatal(err)
			}
			intent, err := redacting{}.Resolve(call, agent)
			if err != nil {
				t.Fatal(err)
			}
			stored, d := intent.Redacted(), h.Policy.Decision
			h.Record(sallyport.Entry{CallID: call.ID, Kind: sallyport.EntryIntent, At: h.Now(), Intent: &stored})
			h.Record(sallyport.Entry{CallID: call.ID, Kind: sallyport.EntryDecision, Key: "first", At: h.Now(), Decision: &d})
			h.Record(sallyport.Entry{CallID: call.ID, Kind: sallyport.EntryStart, At: h.Now(), Start: &sallyport.Start{Intent: intent.Digest(), Runner: "fake", Effect: sallyport.Allow}})
			tt.end(h, call, signed)
			h.WantEnd(call.ID, sallyport.StateFailed, tt.code)
			out := h.Read(call.ID).Outcome
			if !strings.Contains(out.Error.Message, tt.message) || string(out.Result) != tt.result {
				t.Errorf("it ended with %+v, %s", out.Error, out.Result)
			}
			b, err := json.Marshal(h.Ledger.Entries(call.ID))
			if err != nil || strings.Contains(string(b), secret) {
				t.Errorf("%v, the ledger holds %s", err, b)
			}
		})
	}
}
