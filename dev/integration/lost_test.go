package integration

import (
	"context"
	"strings"
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/dev/temporaltest"
	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/sallyporttest/workflowstest"
	"github.com/sallyport/sallyport/workflows/wire"
)

// TestCancelRunning cancels calls whose runner is at work. They end as what
// became of them, never as cancelled.
func TestCancelRunning(t *testing.T) {
	for name, tt := range map[string]struct {
		reason string
		ends   sallyport.State
	}{
		"Stopped":   {"the runner could stop it", sallyport.StateFailed},
		"Done":      {"it was too late", sallyport.StateSucceeded},
		"Ambiguous": {"the runner cannot tell", sallyport.StateAmbiguous},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t, temporaltest.Options{})
			running := make(chan struct{})
			g.Runner.RunFunc = func(ctx context.Context, p sallyport.Permit) (sallyport.Outcome, error) {
				close(running)
				<-ctx.Done()
				return sallyporttest.OutcomeOf(p, tt.ends), nil
			}
			call := g.submit("write")
			<-running
			if err := g.calls.Cancel(t.Context(), call.ID, sallyport.Identity{}); err != nil {
				t.Fatal(err)
			}
			if rec := g.until(call.ID, "ended", func(r sallyport.Record) bool { return r.State.Final() }); rec.State != tt.ends {
				t.Errorf("the call ended as %s, want %s: %s", rec.State, tt.ends, tt.reason)
			}
		})
	}
}

// TestLostWorkflow takes calls their workflow.
func TestLostWorkflow(t *testing.T) {
	g := start(t, temporaltest.Options{Open: true})

	t.Run("NeverStarted", func(*testing.T) {
		call, _ := g.Call("write")
		g.untilState(call.ID, sallyport.StateCancelled)
		g.WantEnd(call.ID, sallyport.StateCancelled, "workflow_lost")
	})

	t.Run("TerminatedWhileWaiting", func(t *testing.T) {
		g.Policy.Set(workflowstest.Asks(1), nil)
		call := g.submit("write")
		g.untilState(call.ID, sallyport.StateAwaitingApproval)
		if err := g.raw.TerminateWorkflow(t.Context(), wire.WorkflowID(call.ID), "", "test"); err != nil {
			t.Fatal(err)
		}
		g.untilState(call.ID, sallyport.StateCancelled)
		g.WantEnd(call.ID, sallyport.StateCancelled, "workflow_lost")
	})

	t.Run("TerminatedWhileRunning", func(t *testing.T) {
		g.Policy.Set(sallyport.Decision{Effect: sallyport.Allow}, nil)
		running, gone := make(chan struct{}), make(chan struct{})
		g.Runner.RunFunc = func(_ context.Context, p sallyport.Permit) (sallyport.Outcome, error) {
			close(running)
			<-gone
			return sallyporttest.OutcomeOf(p, sallyport.StateSucceeded), nil
		}
		call := g.submit("write")
		<-running
		if err := g.raw.TerminateWorkflow(t.Context(), wire.WorkflowID(call.ID), "", "test"); err != nil {
			t.Fatal(err)
		}
		rec := g.until(call.ID, "ended", func(r sallyport.Record) bool { return r.State.Final() })
		close(gone)
		if rec.State != sallyport.StateAmbiguous {
			t.Errorf("the call ended as %s", rec.State)
		}
	})
}

// TestCancelWhilePlanning stops a plan that answers as the sandbox does.
func TestCancelWhilePlanning(t *testing.T) {
	g := start(t, temporaltest.Options{})
	g.Policy.Set(workflowstest.Asks(1), nil)
	began := make(chan struct{}, 10)
	g.Runner.PlanFunc = func(ctx context.Context, _ sallyport.Intent) (sallyport.Plan, error) {
		began <- struct{}{}
		<-ctx.Done()
		return sallyport.Plan{}, sallyport.Errorf(sallyport.Unavailable, "cancelled", "%s", "the run was stopped")
	}
	call := g.submit("write")
	<-began
	if err := g.calls.Cancel(t.Context(), call.ID, sallyport.Identity{}); err != nil {
		t.Fatal(err)
	}
	g.untilState(call.ID, sallyport.StateCancelled)
	g.WantEnd(call.ID, sallyport.StateCancelled, "cancelled")
}

// TestDetailsAfterTheEnd: a vote that comes while the run is under way.
func TestDetailsAfterTheEnd(t *testing.T) {
	g := start(t, temporaltest.Options{})
	g.Policy.Set(workflowstest.Asks(1), nil)
	release := make(chan struct{})
	g.Runner.RunFunc = func(_ context.Context, p sallyport.Permit) (sallyport.Outcome, error) {
		<-release
		g.Runner.Act(p)
		return sallyporttest.OutcomeOf(p, sallyport.StateSucceeded), nil
	}
	call := g.submit("write")
	g.untilState(call.ID, sallyport.StateAwaitingApproval)
	first, late := g.Attest(call.ID, "bob", sallyport.Approve), g.Attest(call.ID, "carol", sallyport.Approve)
	if err := g.calls.Vote(t.Context(), call.ID, first); err != nil {
		t.Fatal(err)
	}
	g.untilState(call.ID, sallyport.StateRunning)
	if err := g.calls.Vote(t.Context(), call.ID, late); sallyport.CodeOf(err) != "not_waiting" {
		t.Errorf("a vote while it runs: %v", err)
	}
	if s := g.page(call.ID); !strings.HasPrefix(s, "## Approved, and running") || !strings.Contains(s, `"replicas": 5`) {
		t.Errorf("while it runs, the UI says %q", s)
	}
	d, err := g.raw.DescribeWorkflowExecution(t.Context(), wire.WorkflowID(call.ID), "")
	if err != nil {
		t.Fatal(err)
	}
	if shown := d.GetExecutionConfig().GetUserMetadata(); shown.GetSummary() != nil || shown.GetDetails() != nil {
		t.Errorf("beside what the worker shows of the call, the API wrote %v", shown)
	}
	close(release)
	g.untilState(call.ID, sallyport.StateSucceeded)
}
