package workflows_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/activities"
	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/sallyporttest/workflowstest"
	"github.com/sallyport/sallyport/workflows"
	"github.com/sallyport/sallyport/workflows/wire"
)

// spelt is a value in ways in which tools and policies quote one.
func spelt(t *testing.T, value string) map[string]string {
	t.Helper()
	quoted, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	nested, err := json.Marshal(map[string]string{"header": "token=" + value})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"AsIs": value, "JSON": string(quoted), "Quoted": strconv.Quote(value), "JSONInText": string(nested),
		"Base64": base64.StdEncoding.EncodeToString([]byte(value)), "RawURLBase64": base64.RawURLEncoding.EncodeToString([]byte(value)),
		"Query": url.QueryEscape(value), "Path": url.PathEscape(value),
		"Lines": "+    " + strings.ReplaceAll(value, "\n", "\n+    "),
	}
}

// manifold is a value that each spelling writes otherwise.
const manifold = "alpha \"line\" <&> of it\nomega/line+of it\u00ff?>"

// traces are what is left of the value in any of its spellings.
func traces() []string {
	return []string{"alpha", "omega", base64.StdEncoding.EncodeToString([]byte("alpha \"line\""))[:12]}
}

// quoting is a harness in which the tool, policy and the voter all quote a
// redacted value as it is spelt.
func quoting(t *testing.T, quote string) (*workflowstest.Harness, sallyport.Call, sallyport.SignedCall) {
	t.Helper()
	h, call, signed := secretiveWith(t, time.Now, manifold)
	doc, err := json.Marshal(map[string]any{"kept": 1, "told": quote, quote: []string{quote}})
	if err != nil {
		t.Fatal(err)
	}
	h.Runner.PlanFunc = func(_ context.Context, i sallyport.Intent) (sallyport.Plan, error) {
		p := sallyporttest.PlanOf(i)
		p.Summary, p.Diff = "sets "+quote, "+ token: "+quote
		p.Changes = []sallyport.Change{{Path: "/" + quote, Before: json.RawMessage("null"), After: doc}}
		return p, nil
	}
	h.Runner.RunFunc = func(_ context.Context, p sallyport.Permit) (sallyport.Outcome, error) {
		h.Runner.Act(p)
		out := sallyporttest.OutcomeOf(p, sallyport.StateFailed)
		out.Result, out.Reference = doc, quote
		out.Error = &sallyport.Failure{
			Code: "odd", Message: "no good: " + quote, Fields: []sallyport.Field{{Pointer: "/" + quote, Detail: quote}},
			Reasons: []sallyport.Reason{{Code: "odd", Message: quote}},
		}
		return out, nil
	}
	asks := workflowstest.Asks(1)
	asks.Reasons = []sallyport.Reason{{Code: "odd", Message: "the token is " + quote}}
	h.Policy.Set(asks, nil)
	return h, call, signed
}

// TestEachSpelling: a redacted value is in no entry, however the tool, policy and
// voters spell it. People vote on the digest of the plan that is recorded, and
// the plan that the run makes again is the same.
func TestEachSpelling(t *testing.T) {
	for name, quote := range spelt(t, manifold) {
		t.Run(name, func(t *testing.T) {
			h, call, signed := quoting(t, quote)
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
			wantNoTrace(t, h, call.ID)
			rec := h.Read(call.ID)
			if d := rec.Plan.Digest(); rec.Ballot.Plan != d || rec.Start.Plan != d {
				t.Errorf("people voted on the plan %s, the run started with %s, and %s is recorded", rec.Ballot.Plan, rec.Start.Plan, d)
			}
			if i := rec.Intent.Digest(); rec.Ballot.Intent != i || rec.Start.Intent != i {
				t.Errorf("people voted on the intent %s, the run started with %s, and %s is recorded", rec.Ballot.Intent, rec.Start.Intent, i)
			}
		})
	}
}

// TestEachSpellingDenied: neither is it where policy denies, nor where planning
// fails.
func TestEachSpellingDenied(t *testing.T) {
	for name, quote := range spelt(t, manifold) {
		t.Run(name+"/Denied", func(t *testing.T) {
			h, call, signed := quoting(t, quote)
			h.Policy.Set(sallyport.Decision{Effect: sallyport.Deny, Reasons: []sallyport.Reason{{Code: "odd", Message: "no " + quote}}}, nil)
			h.Env(call).ExecuteWorkflow(workflows.ToolCall, signed)
			h.WantEnd(call.ID, sallyport.StateDenied, "odd")
			wantNoTrace(t, h, call.ID)
		})
		t.Run(name+"/NotPlanned", func(t *testing.T) {
			h, call, signed := quoting(t, quote)
			h.Runner.PlanFunc = func(context.Context, sallyport.Intent) (sallyport.Plan, error) {
				e := sallyport.Errorf(sallyport.Invalid, "odd", "no %s", quote)
				e.Fields, e.Reasons = []sallyport.Field{{Pointer: "/token", Detail: quote}}, []sallyport.Reason{{Code: "odd", Message: quote}}
				return sallyport.Plan{}, e
			}
			h.Env(call).ExecuteWorkflow(workflows.ToolCall, signed)
			h.WantEnd(call.ID, sallyport.StateInvalid, "odd")
			wantNoTrace(t, h, call.ID)
		})
		t.Run(name+"/Preconditions", func(t *testing.T) {
			h, call, signed := quoting(t, quote)
			h.Runner.PlanFunc = func(_ context.Context, i sallyport.Intent) (sallyport.Plan, error) {
				p := sallyporttest.PlanOf(i)
				p.Preconditions = json.RawMessage(fmt.Sprintf(`{"token":%s}`, strconv.AppendQuoteToASCII(nil, quote)))
				if doc, err := json.Marshal(map[string]string{"token": quote}); err == nil {
					p.Preconditions = doc
				}
				return p, nil
			}
			h.Env(call).ExecuteWorkflow(workflows.ToolCall, signed)
			h.WantEnd(call.ID, sallyport.StateDenied, "not_redactable")
			wantNoTrace(t, h, call.ID)
		})
	}
}

// TestQuotingVoter: the reason of a vote is scrubbed where its evidence does not
// have it, and the vote does not count where it does: evidence can't be changed.
func TestQuotingVoter(t *testing.T) {
	for name, quote := range spelt(t, manifold) {
		t.Run(name, func(t *testing.T) {
			h, call, signed := quoting(t, "nothing")
			env := h.Env(call)
			paper := func() sallyport.BallotPaper {
				return sallyport.BallotPaper{Verdict: sallyport.Approve, Ballot: h.Read(call.ID).Ballot.Digest(), Reason: "since the token is " + quote}
			}
			env.RegisterDelayedCallback(func() {
				token, err := h.Signer.SignAttestation(sallyport.Attestation{
					CallID: call.ID, Account: sallyport.Account{Issuer: sallyporttest.PeopleIssuer, Subject: "bob"}, Paper: paper(), At: time.Now().UTC(),
				})
				if err != nil {
					t.Fatal(err)
				}
				env.UpdateWorkflow(wire.VoteUpdate, "bob", &updateResult{t, "bad_evidence"}, token)
			}, time.Second)
			env.RegisterDelayedCallback(func() {
				h.Signals.Send(activities.Signal{At: time.Now(), Principal: "bob", Paper: paper()})
				env.SignalWorkflow(wire.ApproveSignal, paper())
			}, 2*time.Second)
			env.ExecuteWorkflow(workflows.ToolCall, signed)
			h.WantEnd(call.ID, sallyport.StateFailed, "odd")
			wantNoTrace(t, h, call.ID)
			if v := h.Read(call.ID).Votes; len(v) != 1 || v[0].Evidence.Class != sallyport.TemporalPrincipal {
				t.Errorf("the votes are %+v", v)
			}
		})
	}
}

func wantNoTrace(t *testing.T, h *workflowstest.Harness, callID string) {
	t.Helper()
	for _, e := range h.Ledger.Entries(callID) {
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range traces() {
			if strings.Contains(string(b), s) {
				t.Errorf("the %s holds %q: %s", e.Kind, s, b)
			}
		}
	}
}
