package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/activities"
	"github.com/sallyport/sallyport/workflows/wire"
)

// approval is what the workflow remembers of the ballot. Its votes only say when
// to start the run, which verifies them again.
type approval struct {
	ballot   *sallyport.Ballot
	votes    []sallyport.Vote   // as the ledger has them
	refused  *sallyport.Refusal // the last one
	missed   bool               // a count failed, and may have recorded a vote
	after    int64              // the last signal event that was looked at
	closed   bool               // the wait is over
	counting workflow.Mutex     // one count at a time, so that no person votes twice
}

func (a *approval) tally() sallyport.Tally {
	if a.ballot == nil {
		return sallyport.Tally{}
	}
	return sallyport.NewTally(*a.ballot, a.votes)
}

// acceptVotes takes votes from the workflow's first moment. It refuses those that
// come before the ballot, and shows the refusals.
func (c *toolCall) acceptVotes(ctx workflow.Context) error {
	c.approval.counting = workflow.NewMutex(ctx)
	return workflow.SetUpdateHandlerWithOptions(ctx, wire.VoteUpdate, c.vote, workflow.UpdateHandlerOptions{
		Description: "Sent by the gateway's API on behalf of a person. To vote here, send the signal `approve` instead.",
		Validator: func(workflow.Context, string) error {
			if c.approval.ballot == nil {
				return temporal.NewNonRetryableApplicationError("the call does not wait for votes", sallyport.CodeNotWaiting, nil)
			}
			return nil
		},
	})
}

// vote counts the vote that the API attests. A vote that does not count is a
// result, not a failure.
func (c *toolCall) vote(ctx workflow.Context, attestation string) (activities.Counted, error) {
	counted, err := c.count(ctx, attestation)
	c.approval.missed = c.approval.missed || err != nil
	return counted, err
}

// evidence of the votes.
func (a *approval) evidence() []sallyport.Evidence {
	var all []sallyport.Evidence
	for _, v := range a.votes {
		all = append(all, v.Evidence)
	}
	return all
}

// awaitApproval opens a ballot and waits until it is decided or expires.
func (c *toolCall) awaitApproval(ctx workflow.Context) error {
	var b sallyport.Ballot
	in := activities.AskInput{Call: c.signed, Plan: c.plan}
	if err := workflow.ExecuteLocalActivity(localOptions(ctx), steps.Ask, in).Get(ctx, &b); err != nil {
		return err
	}
	c.approval.ballot = &b
	c.showWaiting(ctx)
	workflow.Go(ctx, c.recount)

	decided := func() bool { t := c.approval.tally(); return t.Approved || t.Rejected }
	if _, err := workflow.AwaitWithTimeout(ctx, b.ExpiresAt.Sub(workflow.Now(ctx)), decided); err != nil {
		return err
	}
	if !decided() { // a vote may have been sent in time and not been counted yet
		if _, err := c.count(ctx, ""); err != nil {
			return err
		}
	}
	switch t := c.approval.tally(); {
	case t.Rejected:
		return ending{sallyport.StateRejected, sallyport.Errorf(sallyport.Denied, sallyport.CodeRejected, "%s", c.rejection())}
	case !t.Approved:
		return ending{sallyport.StateExpired, sallyport.Errorf(sallyport.Denied, sallyport.CodeExpired,
			"the ballot expired at %s with %d of %d approvals", b.ExpiresAt.Format(time.RFC3339), len(t.People), b.Terms.Quorum)}
	}
	c.showApproved(ctx)
	return nil
}

// recount counts whenever a signal has come, and when a count has failed. It does
// not read the signal: the activity reads the event in the history.
func (c *toolCall) recount(ctx workflow.Context) {
	a := &c.approval
	signals := workflow.GetSignalChannelWithOptions(ctx, wire.ApproveSignal, workflow.SignalChannelOptions{
		Description: "Approve or reject this call. The input to send is on the tab User Metadata.",
	})
	for workflow.Await(ctx, func() bool { return a.missed || signals.Len() > 0 }) == nil {
		for signals.ReceiveAsync(nil) { // one count looks at all that have come
			continue
		}
		a.missed = false
		for rest := recountAfter; ; rest = min(2*rest, recountLatest) {
			_, err := c.count(ctx, "")
			if err == nil {
				break
			}
			workflow.GetLogger(ctx).Warn("could not count votes; the workflow will retry", "error", err)
			if workflow.Sleep(ctx, rest) != nil {
				return
			}
		}
	}
}

// How long to rest when votes can't be counted. They stay in the history.
const (
	recountAfter  = 5 * time.Second
	recountLatest = 5 * time.Minute
)

// count counts the votes signalled since the last count, or the attested one.
func (c *toolCall) count(ctx workflow.Context, attestation string) (counted activities.Counted, err error) {
	a := &c.approval
	if err := a.counting.Lock(ctx); err != nil {
		return counted, err
	}
	defer a.counting.Unlock()
	in := activities.CountInput{Call: c.signed, Attestation: attestation, After: a.after}
	if err := workflow.ExecuteActivity(countOptions(ctx), steps.Count, in).Get(ctx, &counted); err != nil {
		return counted, err
	}
	a.after = max(a.after, counted.After)
	a.votes = counted.Votes
	for _, r := range counted.Refusals {
		a.refused = &r
	}
	c.showWaiting(ctx)
	return counted, nil
}

// countOptions are the options of counting. An update is in the history only once
// the workflow task that accepted it has completed. If a local activity counted a
// vote within that task, a crash could leave the vote in the ledger, unknown to the
// workflow, and the person could not vote again. So an activity counts it after
// that task. A voter whose count fails gets the error, and other voters do not
// wait: the next count finds in the ledger what the failed one recorded.
func countOptions(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout:    5 * time.Second,
		ScheduleToCloseTimeout: 30 * time.Second,
		WaitForCancellation:    true,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, MaximumInterval: 2 * time.Second},
	})
}

// rejection names the person who rejected the call, and the reason.
func (c *toolCall) rejection() string {
	for _, v := range c.approval.votes {
		if v.Verdict == sallyport.Reject {
			if v.Reason == "" {
				return v.Person + " rejected this call"
			}
			return v.Person + " rejected this call: " + v.Reason
		}
	}
	return "the call was rejected"
}

// drain lets votes that are being counted finish before the workflow ends.
func (c *toolCall) drain(ctx workflow.Context) error {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	return workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) })
}
