// Package workflows holds the durable life of a call. A workflow decides
// nothing by itself: it orders the steps, waits, and remembers. It is
// deterministic. A run does not rely on what it remembers.
package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/activities"
)

// ToolCall is one call of a tool by an agent, from the signed call to the
// recorded outcome.
func ToolCall(ctx workflow.Context, signed sallyport.SignedCall) (activities.Ended, error) {
	c := &toolCall{signed: signed}
	if err := c.acceptVotes(ctx); err != nil {
		return activities.Ended{}, err
	}
	end, err := c.pass(ctx)
	if err != nil {
		end, err = c.finish(ctx, err)
	}
	if err != nil {
		return activities.Ended{}, err
	}
	if err := c.drain(ctx); err != nil {
		return activities.Ended{}, err
	}
	c.show(ctx, end)
	return end, nil
}

// toolCall is what the workflow remembers.
type toolCall struct {
	signed   sallyport.SignedCall
	valid    activities.Validated
	decision sallyport.Decision
	plan     *sallyport.Plan
	approval approval
}

// pass takes the call through its steps to its run.
func (c *toolCall) pass(ctx workflow.Context) (activities.Ended, error) {
	if err := c.validate(ctx); err != nil {
		return activities.Ended{}, err
	}
	if err := c.decide(ctx); err != nil {
		return activities.Ended{}, err
	}
	if c.needsPlan() {
		if err := c.makePlan(ctx); err != nil {
			return activities.Ended{}, err
		}
		if err := c.decide(ctx); err != nil {
			return activities.Ended{}, err
		}
	}
	if c.decision.Effect == sallyport.Ask {
		if err := c.awaitApproval(ctx); err != nil {
			return activities.Ended{}, err
		}
	}
	return c.run(ctx)
}

func (c *toolCall) validate(ctx workflow.Context) error {
	return workflow.ExecuteLocalActivity(localOptions(ctx), steps.Validate, c.signed).Get(ctx, &c.valid)
}

// decide asks policy, and ends the call if policy denies it.
func (c *toolCall) decide(ctx workflow.Context) error {
	in := activities.DecideInput{Call: c.signed, Plan: c.plan}
	c.decision = sallyport.Decision{}
	if err := workflow.ExecuteLocalActivity(localOptions(ctx), steps.Decide, in).Get(ctx, &c.decision); err != nil {
		return err
	}
	switch c.decision.Effect {
	case sallyport.Allow, sallyport.Ask:
		return nil
	default:
		return c.decision.Denial()
	}
}

func (c *toolCall) needsPlan() bool {
	return !c.valid.PlanNever && (c.valid.PlanAlways || c.decision.Effect == sallyport.Ask)
}

func (c *toolCall) makePlan(ctx workflow.Context) error {
	var p sallyport.Plan
	if err := workflow.ExecuteActivity(c.activityOptions(ctx), steps.Plan, c.signed).Get(ctx, &p); err != nil {
		return err
	}
	c.plan = &p
	return nil
}

func (c *toolCall) run(ctx workflow.Context) (end activities.Ended, err error) {
	in := activities.RunInput{Call: c.signed, Evidence: c.approval.evidence()}
	err = workflow.ExecuteActivity(c.activityOptions(ctx), steps.Run, in).Get(ctx, &end)
	return end, err
}

// finish records the end of a call that did not run. A cancelled workflow records
// its end too.
func (c *toolCall) finish(ctx workflow.Context, cause error) (end activities.Ended, err error) {
	if forged(cause) {
		return end, cause // there is no call to record an end of
	}
	in := activities.FinishInput{Call: c.signed, Outcome: outcomeOf(cause, ctx.Err() != nil)}
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	err = workflow.ExecuteActivity(c.activityOptions(ctx), steps.Finish, in).Get(ctx, &end)
	return end, err
}

// steps names the activities; the worker holds the real ones.
var steps *activities.Activities //nolint:gochecknoglobals // a typed nil that names methods, as the SDK wants it

// localOptions are the options of steps that finish within the workflow task.
func localOptions(ctx workflow.Context) workflow.Context {
	return workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		StartToCloseTimeout:    2 * time.Second,
		ScheduleToCloseTimeout: 30 * time.Second,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, MaximumInterval: 2 * time.Second},
	})
}

// activityOptions are the options of steps that reach targets. Temporal retries
// them until they succeed: each finds out what earlier attempts did.
func (c *toolCall) activityOptions(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		// A run may plan again before it acts, and look at the target after it;
		// the rest is for ending what doesn't end by itself.
		StartToCloseTimeout: 3*c.valid.Timeout + 4*time.Minute,
		HeartbeatTimeout:    20 * time.Second,
		WaitForCancellation: true,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 200 * time.Millisecond, MaximumInterval: 10 * time.Second},
	})
}

// ending is the error of a call that ends in a state of its own.
type ending struct {
	state sallyport.State
	cause *sallyport.Error
}

func (e ending) Error() string { return e.cause.Message }

// outcomeOf is the outcome of a call that did not run.
func outcomeOf(cause error, cancelled bool) sallyport.Outcome {
	state := sallyport.StateDenied
	e := activities.Cause(cause)
	switch end, ok := errors.AsType[ending](cause); {
	case ok:
		state, e = end.state, end.cause
	case cancelled || temporal.IsCanceledError(cause) || e.Code == sallyport.CodeStopped: // a stopped step may return any error
		state, e = sallyport.StateCancelled, sallyport.Errorf(sallyport.Denied, sallyport.CodeCancelled, "the call was cancelled before it ran")
	case e.Kind == sallyport.Unavailable || e.Kind == sallyport.Internal: // not a denial; and the message is for operators
		state, e = sallyport.StateCancelled, sallyport.Errorf(e.Kind, sallyport.CodeUnavailable, "something that the gateway needs was out of reach; nothing was run")
	case e.Kind == sallyport.Invalid || e.Kind == sallyport.NotFound:
		state = sallyport.StateInvalid
	}
	return sallyport.Outcome{State: state, Error: &sallyport.Failure{
		Code: e.Code, Message: e.Message, Fields: e.Fields, Reasons: e.Reasons,
	}}
}

// forged reports whether the API did not sign the call for this workflow, or did
// not record it.
func forged(cause error) bool {
	switch activities.Cause(cause).Code {
	case sallyport.CodeUnsignedCall, sallyport.CodeOtherCall, sallyport.CodeNotReceived:
		return true
	default:
		return false
	}
}
