package integration

import (
	"context"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/activities"
	"github.com/sallyport/sallyport/dev/temporaltest"
	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/sallyporttest/workflowstest"
	"github.com/sallyport/sallyport/workflows/wire"
)

// These tests attack with full write access to Temporal: the server has no
// authorization at all, and the attacker knows the payload keys.

// waiting is an open gateway with a call that waits for approval.
func waiting(t *testing.T) (*gateway, sallyport.Call, sallyport.SignedCall) {
	t.Helper()
	g := start(t, temporaltest.Options{Open: true})
	g.Policy.Set(workflowstest.Asks(1), nil)
	call, signed := g.Call("write")
	if err := g.calls.Start(t.Context(), signed, call); err != nil {
		t.Fatal(err)
	}
	g.untilState(call.ID, sallyport.StateAwaitingApproval)
	return g, call, signed
}

// nothingRan checks that the attack had no effect.
func (g *gateway) nothingRan() {
	g.t.Helper()
	if calls := g.Runner.Calls(); len(calls) != 0 {
		g.t.Errorf("these ran: %v", calls)
	}
}

func TestStartedByAnAttacker(t *testing.T) {
	g, call, signed := waiting(t)
	stranger := workflowstest.New(t, g.Now)
	other, forged := stranger.Call("write")
	for name, tt := range map[string]struct {
		reason string
		id     string
		input  any
	}{
		"Garbage":   {"no call at all", wire.WorkflowID(other.ID), "garbage"},
		"OtherKey":  {"a call signed with another key", wire.WorkflowID(other.ID), forged},
		"StolenID":  {"a stolen signed call under another id", wire.WorkflowID(other.ID), signed},
		"NoID":      {"a stolen signed call under an id of no call", "mine", signed},
		"WrongType": {"input of another type", "mine-too", 42},
	} {
		t.Run(name, func(t *testing.T) {
			run, err := g.raw.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: tt.id + name, TaskQueue: wire.TaskQueue}, wire.ToolCallName, tt.input)
			if err != nil {
				t.Fatal(err)
			}
			if tt.input == 42 {
				return // the task fails for ever, which is not an end
			}
			if err := run.Get(t.Context(), nil); err == nil {
				t.Errorf("the workflow succeeded: %s", tt.reason)
			}
		})
	}
	t.Run("SameCallAfterClosing", func(t *testing.T) {
		if err := g.raw.TerminateWorkflow(t.Context(), wire.WorkflowID(call.ID), "", "attack"); err != nil {
			t.Fatal(err)
		}
		g.untilState(call.ID, sallyport.StateCancelled)
		run, err := g.raw.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: wire.WorkflowID(call.ID), TaskQueue: wire.TaskQueue}, wire.ToolCallName, signed)
		if err != nil {
			t.Fatal(err)
		}
		_ = run.Get(t.Context(), nil) // however it ends
		g.WantEnd(call.ID, sallyport.StateCancelled, "workflow_lost")
	})
	g.nothingRan()
}

// TestActivityByAnAttacker starts the run of a call that waits for approval,
// without its workflow.
func TestActivityByAnAttacker(t *testing.T) {
	g, call, signed := waiting(t)
	in := activities.RunInput{Call: signed, Evidence: []sallyport.Evidence{{Class: sallyport.TemporalPrincipal, EventID: 5}}}
	h, err := g.raw.ExecuteActivity(t.Context(), client.StartActivityOptions{
		ID: "attack", TaskQueue: wire.TaskQueue, StartToCloseTimeout: patience,
	}, "Run", in)
	if err == nil {
		err = h.Get(t.Context(), nil)
	}
	if err == nil {
		t.Error("the activity succeeded")
	}
	t.Logf("refused: %v", err)
	g.nothingRan()
	if rec := g.Read(call.ID); rec.State != sallyport.StateAwaitingApproval {
		t.Errorf("the call is %s", rec.State)
	}
}

func TestVotesByAnAttacker(t *testing.T) {
	g, call, _ := waiting(t)
	ballot := g.Read(call.ID).Ballot.Digest()
	second, secondSigned := g.Call("write")
	if err := g.calls.Start(t.Context(), secondSigned, second); err != nil {
		t.Fatal(err)
	}
	g.untilState(second.ID, sallyport.StateAwaitingApproval)
	stranger := workflowstest.New(t, g.Now)
	forged, err := stranger.Signer.SignAttestation(sallyport.Attestation{
		CallID: call.ID, Account: sallyport.Account{Issuer: sallyporttest.PeopleIssuer, Subject: "bob"},
		Paper: sallyport.BallotPaper{Verdict: sallyport.Approve, Ballot: ballot}, At: g.Now().UTC(),
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ reason, token, code string }{
		"Garbage":  {"no token at all", "garbage", "bad_evidence"},
		"OtherKey": {"signed with another key than the API's", forged, "bad_evidence"},
		"Copied":   {"bob's vote on another call", g.Attest(second.ID, "bob", sallyport.Approve), "bad_evidence"},
		"Owner":    {"the owner's vote", g.Attest(call.ID, "alice", sallyport.Approve), "own_agent"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := g.calls.Vote(t.Context(), call.ID, tt.token); sallyport.CodeOf(err) != tt.code {
				t.Errorf("%v, want %s: %s", err, tt.code, tt.reason)
			}
		})
	}
	t.Run("SpoofedSignal", func(t *testing.T) {
		spoof := g.dial(client.Options{HostPort: g.server.FrontendAddr(), Namespace: "default", Identity: "jwt:bob"})
		paper := map[string]string{"verdict": "approve", "ballot": string(ballot), "reason": "I am bob", "principal": "bob"}
		if err := spoof.SignalWorkflow(t.Context(), wire.WorkflowID(call.ID), "", wire.ApproveSignal, paper); err != nil {
			t.Fatal(err)
		}
		rec := g.until(call.ID, "refusing the signal", func(r sallyport.Record) bool {
			return len(r.Refusals) > 0 && r.Refusals[len(r.Refusals)-1].Evidence.Class == sallyport.TemporalPrincipal
		})
		if last := rec.Refusals[len(rec.Refusals)-1]; last.Code != "bad_evidence" || !strings.Contains(last.Message, "sallyport approve") {
			t.Errorf("it was refused with %+v", last)
		}
	})
	g.nothingRan()
	if rec := g.Read(call.ID); rec.State != sallyport.StateAwaitingApproval || len(rec.Votes) != 0 {
		t.Errorf("the call is %s with votes %+v", rec.State, rec.Votes)
	}
}

// reset resets a call's workflow to its first workflow task, as an operator
// or an attacker would, and returns once the new run waits or has ended.
func (g *gateway) reset(id string, task int64) {
	g.t.Helper()
	_, err := g.raw.WorkflowService().ResetWorkflowExecution(g.t.Context(), &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: "default", WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: wire.WorkflowID(id)},
		Reason: "test", RequestId: "reset-" + id, WorkflowTaskFinishEventId: task,
	})
	if err != nil {
		g.t.Fatal(err)
	}
}

// firstTask is the event that finished the workflow's first task.
func (g *gateway) firstTask(id string) int64 {
	g.t.Helper()
	events := g.raw.GetWorkflowHistory(g.t.Context(), wire.WorkflowID(id), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			g.t.Fatal(err)
		}
		if e.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			return e.GetEventId()
		}
	}
	g.t.Fatal("no workflow task was completed")
	return 0
}

// TestResetCarriesNoVote resets a call on which one of two has voted.
func TestResetCarriesNoVote(t *testing.T) {
	g, call, _ := waiting(t)
	g.Policy.Set(workflowstest.Asks(2), nil)
	second, signed := g.Call("write")
	if err := g.calls.Start(t.Context(), signed, second); err != nil {
		t.Fatal(err)
	}
	before := g.untilState(second.ID, sallyport.StateAwaitingApproval)
	if err := g.calls.Vote(t.Context(), second.ID, g.Attest(second.ID, "bob", sallyport.Approve)); err != nil {
		t.Fatal(err)
	}
	g.reset(second.ID, g.firstTask(second.ID))
	after := g.until(second.ID, "asking again", func(r sallyport.Record) bool {
		return r.Ballot != nil && r.Ballot.RunID != before.Ballot.RunID
	})
	if before.Ballot.Digest() == after.Ballot.Digest() || len(after.Votes) != 0 {
		t.Errorf("the new ballot is %s with votes %+v", after.Ballot.Digest(), after.Votes)
	}
	if err := g.calls.Vote(t.Context(), second.ID, g.Attest(second.ID, "carol", sallyport.Approve)); err != nil {
		t.Fatal(err)
	}
	rec := g.Read(second.ID)
	if rec.State != sallyport.StateAwaitingApproval || len(rec.Votes) != 1 {
		t.Errorf("after carol's vote alone the call is %s with votes %+v", rec.State, rec.Votes)
	}
	g.nothingRan()
	_ = call
}

// TestResetRunsNothingTwice resets a call that has run.
func TestResetRunsNothingTwice(t *testing.T) {
	g := start(t, temporaltest.Options{Open: true})
	call := g.submit("write")
	g.untilState(call.ID, sallyport.StateSucceeded)
	if err := g.awaitClosed(call.ID); err != nil {
		t.Fatal(err)
	}
	entries := g.Kinds(call.ID)
	g.reset(call.ID, g.firstTask(call.ID))
	if err := g.awaitClosed(call.ID); err != nil {
		t.Fatal(err)
	}
	if n := g.Runner.Runs(call.ID); n != 1 {
		t.Errorf("it ran %d times", n)
	}
	if d := cmp.Diff(entries, g.Kinds(call.ID)); d != "" {
		t.Errorf("entries (-before +after)\n%s", d)
	}
}

// TestVoteBeforeTheBallot: after a crash the ledger can have a ballot that the
// workflow does not remember yet. A vote waits for it, and is not refused.
func TestVoteBeforeTheBallot(t *testing.T) {
	g := start(t, temporaltest.Options{})
	g.Policy.Set(workflowstest.Asks(1), nil)
	began, release := make(chan struct{}, 10), make(chan struct{})
	g.Runner.PlanFunc = func(context.Context, sallyport.Intent) (sallyport.Plan, error) {
		began <- struct{}{}
		<-release
		return sallyport.Plan{Summary: "replicas 3 → 5", Changes: []sallyport.Change{}}, nil
	}
	call := g.submit("write")
	<-began
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err := g.calls.Vote(ctx, call.ID, "garbage")
	if e := sallyport.AsError(err); e.Kind != sallyport.Unavailable {
		t.Errorf("a vote before the ballot: %v, want one that says to vote again", err)
	}
	voted := make(chan error, 1)
	go func() { voted <- g.calls.Vote(t.Context(), call.ID, "garbage") }()
	close(release)
	if err := <-voted; sallyport.CodeOf(err) != "bad_evidence" {
		t.Errorf("a vote that waited for the ballot: %v, want what becomes of it there", err)
	}
	g.untilState(call.ID, sallyport.StateAwaitingApproval)
}
