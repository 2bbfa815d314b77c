package workflows_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/sallyporttest/workflowstest"
	"github.com/sallyport/sallyport/workflows"
)

// keeping says what a runner is that keeps its runs.
type keeping struct{ again bool }

// TestInterrupted runs calls whose earlier run recorded its start and was
// never heard of again.
func TestInterrupted(t *testing.T) {
	found := &sallyport.Outcome{State: sallyport.StateSucceeded, Reference: "commit"}
	for name, tt := range map[string]struct {
		reason    string
		tool      string
		reconcile sallyport.ReconcilerFunc
		keeps     *keeping
		ended     *sallyport.Outcome
		state     sallyport.State
		code      string
		effects   int
	}{
		"Read": {
			reason: "reading twice changes nothing", tool: "read", state: sallyport.StateSucceeded, effects: 1,
		},
		"WriteSeen": {
			reason: "the target shows the effect", tool: "write", state: sallyport.StateSucceeded,
			reconcile: func(context.Context, sallyport.Intent) (*sallyport.Outcome, error) { return found, nil },
		},
		"WriteNotSeen": {
			reason: "an effect that isn't seen may still come", tool: "write", state: sallyport.StateAmbiguous, code: "interrupted",
			reconcile: func(context.Context, sallyport.Intent) (*sallyport.Outcome, error) { return nil, nil },
		},
		"WriteUnknown": {
			reason: "without a reconciler no effect can be found", tool: "write", state: sallyport.StateAmbiguous, code: "interrupted",
		},
		"WriteResumed": {
			reason: "its runner lets it happen once, and nothing shows that it did", tool: "write", state: sallyport.StateSucceeded, effects: 1, keeps: &keeping{again: true},
			reconcile: func(context.Context, sallyport.Intent) (*sallyport.Outcome, error) { return nil, nil },
		},
		"WriteAdopted": {
			reason: "what is found of it governs", tool: "write", state: sallyport.StateSucceeded, keeps: &keeping{again: true},
			reconcile: func(context.Context, sallyport.Intent) (*sallyport.Outcome, error) { return found, nil },
		},
		"WriteKept": {
			reason: "its runner can't promise that it would happen once", tool: "write", state: sallyport.StateAmbiguous, code: "interrupted", keeps: &keeping{},
			reconcile: func(context.Context, sallyport.Intent) (*sallyport.Outcome, error) { return nil, nil },
		},
		"Ended": {
			reason: "a recorded outcome governs", tool: "write", state: sallyport.StateFailed, code: "disk",
			ended: &sallyport.Outcome{State: sallyport.StateFailed, Error: &sallyport.Failure{Code: "disk"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := workflowstest.New(t, time.Now)
			if tt.reconcile != nil {
				h.Acts.Reconcilers = map[string]sallyport.Reconciler{"fake": tt.reconcile}
			}
			resumable := &sallyporttest.Resumable{Runner: h.Runner}
			if tt.keeps != nil {
				resumable.Rerun = tt.keeps.again
				h.Acts.Runners = map[string]sallyport.Runner{"fake": resumable}
			}
			call, signed := h.Call(tt.tool)
			agent, err := sallyporttest.Identities{}.Agent(call.Account)
			if err != nil {
				t.Fatal(err)
			}
			intent, err := workflowstest.Catalogue{}.Resolve(call, agent)
			if err != nil {
				t.Fatal(err)
			}
			h.Record(sallyport.Entry{CallID: call.ID, Kind: sallyport.EntryIntent, At: h.Now(), Intent: &intent})
			d := h.Policy.Decision
			h.Record(sallyport.Entry{CallID: call.ID, Kind: sallyport.EntryDecision, Key: "first", At: h.Now(), Decision: &d})
			h.Record(sallyport.Entry{CallID: call.ID, Kind: sallyport.EntryStart, At: h.Now(), Start: &sallyport.Start{Intent: intent.Digest(), Runner: "fake", Effect: sallyport.Allow}})
			if tt.ended != nil {
				h.Record(sallyport.Entry{CallID: call.ID, Kind: sallyport.EntryOutcome, At: h.Now(), Outcome: tt.ended})
			}
			env := h.Env(call)
			env.ExecuteWorkflow(workflows.ToolCall, signed)
			if err := env.GetWorkflowError(); err != nil {
				t.Fatalf("%v: %s", err, tt.reason)
			}
			h.WantEnd(call.ID, tt.state, tt.code)
			if got := h.Runner.Effects(call.ID); got != tt.effects {
				t.Errorf("%d effects, want %d: %s", got, tt.effects, tt.reason)
			}
			if got := resumable.Released(call.ID); tt.keeps != nil && got != 1 {
				t.Errorf("the run was released %d times: what its runner keeps until the outcome is recorded may go then", got)
			}
		})
	}
}

// TestLedgerFails lets the ledger refuse each kind of entry in turn, once.
// The step that could not be recorded is not taken, and is taken later.
func TestLedgerFails(t *testing.T) {
	for _, kind := range []sallyport.EntryKind{sallyport.EntryIntent, sallyport.EntryDecision, sallyport.EntryStart, sallyport.EntryOutcome} {
		t.Run(string(kind), func(t *testing.T) {
			h := workflowstest.New(t, time.Now)
			call, signed := h.Call("read")
			failed := false
			effectsThen := -1
			h.Ledger.Fail = func(e sallyport.Entry) error {
				if e.Kind != kind || failed {
					return nil
				}
				failed = true
				effectsThen = h.Runner.Effects(call.ID)
				return errors.New("disk full")
			}
			env := h.Env(call)
			env.ExecuteWorkflow(workflows.ToolCall, signed)
			if err := env.GetWorkflowError(); err != nil {
				t.Fatal(err)
			}
			h.WantEnd(call.ID, sallyport.StateSucceeded, "")
			if kind != sallyport.EntryOutcome && effectsThen != 0 {
				t.Errorf("the call had %d effects before its %s was recorded", effectsThen, kind)
			}
		})
	}
}

// TestHeartbeatsSayWhere: heartbeats show an operator where a run is that hangs.
func TestHeartbeatsSayWhere(t *testing.T) {
	h := workflowstest.New(t, time.Now)
	h.Acts.HeartbeatEvery = time.Millisecond
	resumable := &sallyporttest.Resumable{Runner: h.Runner, Where: "kube/agent-execution/agent-tool-call-1/uid"}
	h.Acts.Runners = map[string]sallyport.Runner{"fake": resumable}
	heard := make(chan string, 1)
	h.Runner.RunFunc = func(ctx context.Context, p sallyport.Permit) (sallyport.Outcome, error) {
		select {
		case where := <-heard:
			if where != resumable.Where {
				t.Errorf("heartbeats say %q, want %q", where, resumable.Where)
			}
		case <-ctx.Done():
			t.Error("no heartbeat says where it runs")
		}
		return sallyporttest.OutcomeOf(p, sallyport.StateSucceeded), nil
	}
	call, signed := h.Call("read")
	env := h.Env(call)
	env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
		var where string
		if err := details.Get(&where); err != nil {
			t.Error(err)
		}
		select {
		case heard <- where:
		default:
		}
	})
	env.ExecuteWorkflow(workflows.ToolCall, signed)
	if err := env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	h.WantEnd(call.ID, sallyport.StateSucceeded, "")
}
