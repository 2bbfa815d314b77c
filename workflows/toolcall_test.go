package workflows_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/testsuite"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/activities"
	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/sallyporttest/workflowstest"
	"github.com/sallyport/sallyport/workflows"
	"github.com/sallyport/sallyport/workflows/wire"
)

// TestEnds walks through every final state without a human.
func TestEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		reason  string
		tool    string
		prepare func(*workflowstest.Harness)
		state   sallyport.State
		code    string
		effects int
	}{
		"Allowed": {
			reason: "what policy allows runs once", tool: "write", state: sallyport.StateSucceeded, effects: 1,
		},
		"ToolFails": {
			reason: "a tool's own failure is a result", tool: "write", state: sallyport.StateFailed,
			prepare: func(h *workflowstest.Harness) { h.Runner.RunFunc = sallyporttest.EndAs(sallyport.StateFailed) }, code: "injected",
		},
		"RunnerRefuses": {
			reason: "a runner that did nothing ends the call as failed", tool: "write", state: sallyport.StateFailed, code: "conflict",
			prepare: func(h *workflowstest.Harness) {
				h.Runner.RunFunc = sallyporttest.RefuseRun(sallyport.Errorf(sallyport.Conflict, "conflict", "the file changed"))
			},
		},
		"Ambiguous": {
			reason: "an effect that the runner cannot tell is ambiguous", tool: "write", state: sallyport.StateAmbiguous, code: "injected",
			prepare: func(h *workflowstest.Harness) { h.Runner.RunFunc = sallyporttest.EndAs(sallyport.StateAmbiguous) },
		},
		"Denied": {
			reason: "policy says no", tool: "write", state: sallyport.StateDenied, code: "replica_cap",
			prepare: func(h *workflowstest.Harness) {
				h.Policy.Decision = sallyport.Decision{Effect: sallyport.Deny, Reasons: []sallyport.Reason{{Code: "replica_cap", Message: "50 is more than 10"}}}
			},
		},
		"NoDecision": {
			reason: "an error of policy is no permission", tool: "write", state: sallyport.StateDenied, code: "no_decision",
			prepare: func(h *workflowstest.Harness) { h.Policy.Err = errors.New("undefined") },
		},
		"UnknownEffect": {
			reason: "an unknown effect is a denial", tool: "write", state: sallyport.StateDenied, code: "denied",
			prepare: func(h *workflowstest.Harness) { h.Policy.Decision.Effect = "perhaps" },
		},
		"UnknownTool": {
			reason: "there is no such tool", tool: "nothing", state: sallyport.StateInvalid, code: "unknown_tool",
		},
		"HiddenTool": {
			reason: "a hidden tool looks like none", tool: "write", state: sallyport.StateInvalid, code: "unknown_tool",
			prepare: func(h *workflowstest.Harness) { h.Policy.Hidden = true },
		},
		"NoRunner": {
			reason: "a tool that nothing here can run is refused before it starts", tool: "nowhere", state: sallyport.StateDenied, code: "no_runner",
		},
		"Frozen": {
			reason: "a freeze beats what policy allows", tool: "write", state: sallyport.StateDenied, code: "frozen",
			prepare: func(h *workflowstest.Harness) { freeze(h, sallyport.Freeze{Agent: "deploy-bot"}) },
		},
		"FrozenElsewhere": {
			reason: "it stops what it names", tool: "write", state: sallyport.StateSucceeded, effects: 1,
			prepare: func(h *workflowstest.Harness) { freeze(h, sallyport.Freeze{Agent: "triage-bot"}) },
		},
		"FrozenBetween": {
			reason: "the run looks again, where it is recorded", tool: "write", state: sallyport.StateDenied, code: "frozen",
			prepare: func(h *workflowstest.Harness) {
				h.Ledger.Fail = func(e sallyport.Entry) error {
					if e.Kind == sallyport.EntryStart {
						freeze(h, sallyport.Freeze{Tool: "write"})
					}
					return nil
				}
			},
		},
		"PlannedAndAllowed": {
			reason: "a tool may always plan, also without an approval", tool: "planned", state: sallyport.StateSucceeded, effects: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := workflowstest.New(t, time.Now)
			if tt.prepare != nil {
				tt.prepare(h)
			}
			call, signed := h.Call(tt.tool)
			env := h.Env(call)
			env.ExecuteWorkflow(workflows.ToolCall, signed)
			if err := env.GetWorkflowError(); err != nil {
				t.Fatalf("%v: %s", err, tt.reason)
			}
			h.WantEnd(call.ID, tt.state, tt.code)
			if got := h.Runner.Effects(call.ID); got != tt.effects {
				t.Errorf("%d effects, want %d: %s", got, tt.effects, tt.reason)
			}
		})
	}
}

func TestInvalidArguments(t *testing.T) {
	h := workflowstest.New(t, time.Now)
	call, _ := h.Call("write")
	call.ID, call.Arguments = sallyport.CallID([16]byte{1}), []byte(`{"replicas":-1}`)
	signed, err := h.Signer.SignCall(call)
	if err != nil {
		t.Fatal(err)
	}
	h.Record(sallyport.Entry{CallID: call.ID, Kind: sallyport.EntryReceived, At: h.Now(), Call: &call, Signed: signed})
	env := h.Env(call)
	env.ExecuteWorkflow(workflows.ToolCall, signed)
	h.WantEnd(call.ID, sallyport.StateInvalid, "invalid_arguments")
	want := []sallyport.Field{{Pointer: "/arguments/replicas", Detail: "must be at least 0"}}
	if d := cmp.Diff(want, h.Read(call.ID).Outcome.Error.Fields); d != "" {
		t.Errorf("fields (-want +got)\n%s", d)
	}
}

// TestUnsignedCalls starts workflows of calls that the API did not sign.
func TestUnsignedCalls(t *testing.T) {
	h := workflowstest.New(t, time.Now)
	call, signed := h.Call("write")
	other, _ := h.Call("write")
	stranger := workflowstest.New(t, time.Now)
	_, forged := stranger.Call("write")
	for name, tt := range map[string]struct {
		reason string
		as     sallyport.Call
		signed sallyport.SignedCall
	}{
		"Garbage":      {"no signature", call, "garbage"},
		"OtherKey":     {"a key that is not the API's", call, forged},
		"OtherCall":    {"a signature for another workflow", other, signed},
		"Tampered":     {"a changed payload", call, signed[:len(signed)-4] + "AAAA"},
		"NeverArrived": {"signed, but the ledger never received it", call, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.signed == "" {
				c := call
				c.ID = sallyport.CallID([16]byte{9})
				s, err := h.Signer.SignCall(c)
				if err != nil {
					t.Fatal(err)
				}
				tt.as, tt.signed = c, s
			}
			env := h.Env(tt.as)
			env.ExecuteWorkflow(workflows.ToolCall, tt.signed)
			if env.GetWorkflowError() == nil {
				t.Errorf("the workflow succeeded: %s", tt.reason)
			}
			if calls := h.Runner.Calls(); len(calls) != 0 {
				t.Errorf("%v ran: %s", calls, tt.reason)
			}
		})
	}
	if d := cmp.Diff([]sallyport.EntryKind{sallyport.EntryReceived}, h.Kinds(call.ID)); d != "" {
		t.Errorf("entries (-want +got)\n%s", d)
	}
}

// act is what a person, an agent or an operator does while the call waits.
type act func(h *workflowstest.Harness, env *testsuite.TestWorkflowEnvironment, call sallyport.Call)

func votes(person string, v sallyport.Verdict, code string) act {
	return func(h *workflowstest.Harness, env *testsuite.TestWorkflowEnvironment, call sallyport.Call) {
		env.UpdateWorkflow(wire.VoteUpdate, person, &updateResult{h.T, code}, h.Attest(call.ID, person, v))
	}
}

func signalsAs(person string, v sallyport.Verdict) act {
	return func(h *workflowstest.Harness, env *testsuite.TestWorkflowEnvironment, call sallyport.Call) {
		h.Signals.Send(activities.Signal{
			At: h.Now(), Principal: person, Paper: sallyport.BallotPaper{Verdict: v, Ballot: h.Read(call.ID).Ballot.Digest()},
		})
		env.SignalWorkflow(wire.ApproveSignal, nil)
	}
}

func cancels(_ *workflowstest.Harness, env *testsuite.TestWorkflowEnvironment, _ sallyport.Call) {
	env.CancelWorkflow()
}

// updateResult checks what became of an update.
type updateResult struct {
	t    testing.TB
	code string // of the refusal, or ""
}

func (u *updateResult) Reject(err error) { u.t.Errorf("the update was rejected: %v", err) }
func (u *updateResult) Accept()          {}

func (u *updateResult) Complete(result any, err error) {
	counted, ok := result.(activities.Counted)
	code := ""
	if ok && len(counted.Refusals) > 0 {
		code = counted.Refusals[0].Code
	}
	if err != nil || code != u.code {
		u.t.Errorf("the vote ended as %q, %v; want %q", code, err, u.code)
	}
}

// freeze stops what it names.
func freeze(h *workflowstest.Harness, f sallyport.Freeze) {
	f.ID, f.Reason, f.By, f.At = sallyport.CallID([16]byte{1}), "it loops", "olga", h.Now().UTC()
	h.Record(sallyport.Entry{CallID: f.ID, Kind: sallyport.EntryFreeze, At: f.At, Freeze: &f})
}

func freezes(h *workflowstest.Harness, _ *testsuite.TestWorkflowEnvironment, _ sallyport.Call) {
	freeze(h, sallyport.Freeze{Namespace: "production"})
}

// isStopped does to a call what the worker does to what is frozen.
func isStopped(h *workflowstest.Harness, env *testsuite.TestWorkflowEnvironment, call sallyport.Call) {
	h.Record(sallyport.Entry{
		CallID: call.ID, Kind: sallyport.EntryStop, At: h.Now().UTC(), Stop: &sallyport.Stop{By: "olga", Freeze: "f", Reason: "it loops"},
	})
	env.CancelWorkflow()
}

func TestApproval(t *testing.T) {
	for name, tt := range map[string]struct {
		reason string
		quorum int
		acts   []act
		state  sallyport.State
		code   string
	}{
		"Approved": {
			reason: "one eligible yes is enough", quorum: 1, state: sallyport.StateSucceeded,
			acts: []act{votes("bob", sallyport.Approve, "")},
		},
		"ApprovedBySignal": {
			reason: "the server names the sender of the signal", quorum: 1, state: sallyport.StateSucceeded,
			acts: []act{signalsAs("bob", sallyport.Approve)},
		},
		"TwoOfTwo": {
			reason: "two people make a quorum of two, however they vote", quorum: 2, state: sallyport.StateSucceeded,
			acts: []act{signalsAs("bob", sallyport.Approve), votes("carol", sallyport.Approve, "")},
		},
		"Rejected": {
			reason: "one no ends it", quorum: 2, state: sallyport.StateRejected, code: "rejected",
			acts: []act{votes("bob", sallyport.Approve, ""), votes("carol", sallyport.Reject, "")},
		},
		"OnePersonTwice": {
			reason: "a person has one vote over all accounts", quorum: 2, state: sallyport.StateExpired, code: "expired",
			acts: []act{votes("bob", sallyport.Approve, ""), votes("robert", sallyport.Approve, "already_voted")},
		},
		"Owner": {
			reason: "an owner does not approve the own agent's calls", quorum: 1, state: sallyport.StateExpired, code: "expired",
			acts: []act{votes("alice", sallyport.Approve, "own_agent"), signalsAs("alice", sallyport.Approve)},
		},
		"OtherGroup": {
			reason: "the terms name the group", quorum: 1, state: sallyport.StateExpired, code: "expired",
			acts: []act{votes("dave", sallyport.Approve, "not_eligible")},
		},
		"Stranger": {
			reason: "an account that is no person's has no vote", quorum: 1, state: sallyport.StateExpired, code: "expired",
			acts: []act{votes("deploy-bot", sallyport.Approve, "not_a_person"), signalsAs("deploy-bot", sallyport.Approve)},
		},
		"NoPrincipal": {
			reason: "a signal without a principal proves nothing", quorum: 1, state: sallyport.StateExpired, code: "expired",
			acts: []act{signalsAs("", sallyport.Approve)},
		},
		"JunkAfterGood": {
			reason: "a signal that does not count does not count for another person either", quorum: 2, state: sallyport.StateExpired, code: "expired",
			acts: []act{signalsAs("bob", sallyport.Approve), signalsAs("dave", sallyport.Approve)},
		},
		"CancelledWhileWaiting": {
			reason: "cancelled before it ran", quorum: 1, state: sallyport.StateCancelled, code: "cancelled", acts: []act{cancels},
		},
		"FrozenBeforeTheVote": {
			reason: "a freeze beats what people agreed to", quorum: 1, state: sallyport.StateDenied, code: "frozen",
			acts: []act{freezes, votes("bob", sallyport.Approve, "")},
		},
		"StoppedByAFreeze": {
			reason: "it says by what it was ended", quorum: 1, state: sallyport.StateCancelled, code: "frozen", acts: []act{isStopped},
		},
		"NoVotes": {
			reason: "time runs out", quorum: 1, state: sallyport.StateExpired, code: "expired",
		},
		"AfterTheDecision": {
			reason: "a decided ballot takes no votes", quorum: 1, state: sallyport.StateRejected, code: "rejected",
			acts: []act{votes("bob", sallyport.Reject, "")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, env, call, signed := waiting(t, tt.quorum)
			for i, do := range tt.acts {
				env.RegisterDelayedCallback(func() { do(h, env, call) }, time.Minute*time.Duration(i+1))
			}
			env.ExecuteWorkflow(workflows.ToolCall, signed)
			if err := env.GetWorkflowError(); err != nil {
				t.Fatalf("%v: %s", err, tt.reason)
			}
			h.WantEnd(call.ID, tt.state, tt.code)
			want := 0
			if tt.state == sallyport.StateSucceeded {
				want = 1
			}
			if got := h.Runner.Effects(call.ID); got != want {
				t.Errorf("%d effects, want %d: %s", got, want, tt.reason)
			}
		})
	}
}

// waiting prepares a call that policy asks about, in the environment's time.
func waiting(t *testing.T, quorum int) (*workflowstest.Harness, *testsuite.TestWorkflowEnvironment, sallyport.Call, sallyport.SignedCall) {
	t.Helper()
	return preparing(t, "write", workflowstest.Asks(quorum))
}

// preparing prepares a call of a tool under a policy, in the environment's time.
func preparing(t *testing.T, tool string, policy sallyport.Decision) (*workflowstest.Harness, *testsuite.TestWorkflowEnvironment, sallyport.Call, sallyport.SignedCall) {
	t.Helper()
	var env *testsuite.TestWorkflowEnvironment
	h := workflowstest.New(t, func() time.Time {
		if env == nil {
			return time.Now()
		}
		return env.Now()
	})
	h.Policy.Decision = policy
	call, signed := h.Call(tool)
	env = h.Env(call)
	return h, env, call, signed
}

// TestDrift changes the world between the vote and the run.
func TestDrift(t *testing.T) {
	for name, tt := range map[string]struct {
		reason string
		change func(*workflowstest.Harness)
		state  sallyport.State
		code   string
		diff   string // what the outcome says of the difference
	}{
		"Nothing":  {"the same revision", func(*workflowstest.Harness) {}, sallyport.StateSucceeded, "", ""},
		"Revision": {"a new policy that agrees is no drift", func(h *workflowstest.Harness) { d := workflowstest.Asks(1); d.Revision = "r2"; h.Policy.Set(d, nil) }, sallyport.StateSucceeded, "", ""},
		"NowDenied": {"a freeze beats a vote", func(h *workflowstest.Harness) {
			h.Policy.Set(sallyport.Decision{Effect: sallyport.Deny, Reasons: []sallyport.Reason{{Code: "frozen"}}}, nil)
		}, sallyport.StateDenied, "frozen", ""},
		"Terms": {"two must agree now", func(h *workflowstest.Harness) { h.Policy.Set(workflowstest.Asks(2), nil) }, sallyport.StateDenied, "drift", "quorum: 1 → 2"},
		"Tool":  {"the manifest is another", func(h *workflowstest.Harness) { h.Acts.Catalogue = changedCatalogue{} }, sallyport.StateDenied, "drift", "tool.digest: "},
		"Effect": {"the target changed", func(h *workflowstest.Harness) {
			h.Runner.PlanFunc = func(_ context.Context, i sallyport.Intent) (sallyport.Plan, error) {
				p := sallyporttest.PlanOf(i)
				p.Diff = "something else"
				return p, nil
			}
		}, sallyport.StateDenied, "drift", `→ "something else"`},
	} {
		t.Run(name, func(t *testing.T) {
			h, env, call, signed := waiting(t, 1)
			env.RegisterDelayedCallback(func() {
				token := h.Attest(call.ID, "bob", sallyport.Approve)
				tt.change(h)
				env.UpdateWorkflow(wire.VoteUpdate, "bob", &updateResult{t, ""}, token)
			}, time.Minute)
			env.ExecuteWorkflow(workflows.ToolCall, signed)
			if err := env.GetWorkflowError(); err != nil {
				t.Fatalf("%v: %s", err, tt.reason)
			}
			h.WantEnd(call.ID, tt.state, tt.code)
			if f := h.Read(call.ID).Outcome.Error; tt.diff != "" && !strings.Contains(f.Message, tt.diff) {
				t.Errorf("the outcome says %q, and should say %q", f.Message, tt.diff)
			}
			wantDrift(t, h, call.ID, tt.diff)
		})
	}
}

// wantDrift wants one drift in the ledger that says how, or none.
func wantDrift(t *testing.T, h *workflowstest.Harness, callID, how string) {
	t.Helper()
	drifts := []string{}
	for _, e := range h.Ledger.Entries(callID) {
		if e.Kind == sallyport.EntryDrift {
			drifts = append(drifts, e.Drift.Message)
		}
	}
	if how == "" && len(drifts) > 0 || how != "" && (len(drifts) != 1 || !strings.Contains(drifts[0], how)) {
		t.Errorf("the ledger has the drifts %q, and should have one of %q", drifts, how)
	}
}

// changedCatalogue has other manifests under the same names.
type changedCatalogue struct{ workflowstest.Catalogue }

func (c changedCatalogue) Resolve(call sallyport.Call, a sallyport.Agent) (sallyport.Intent, error) {
	i, err := c.Catalogue.Resolve(call, a)
	i.Tool.Digest = sallyport.NewDigest("changed")
	return i, err
}
