package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/activities"
	"github.com/sallyport/sallyport/workflows/wire"
)

// approval is what the workflow remembers of the ballot. Votes that it counted
// are only a reason to try: the run counts them again.
type approval struct {
	ballot   *sallyport.Ballot
	votes    []sallyport.Vote   // as the ledger has them
	refused  *sallyport.Refusal // the last one
	missed   bool               // a count failed, and may have recorded a vote
	after    int64              // the last signal event that was looked at
	closed   bool               // the wait is over
	counting workflow.Mutex     // one count at a time, so that nobody votes twice
}

func (a *approval) tally() sallyport.Tally {
	if a.ballot == nil {
		return sallyport.Tally{}
	}
	return sallyport.NewTally(*a.ballot, a.votes)
}

// acceptVotes lets votes arrive from the first moment: those that come before
// the wait are refused, and shown.
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

// vote counts what the API attests. A vote that does not count is an answer,
// not a failure.
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
		return ending{sallyport.Rejected, sallyport.Errorf(sallyport.Denied, sallyport.CodeRejected, "%s", c.rejection())}
	case !t.Approved:
		return ending{sallyport.Expired, sallyport.Errorf(sallyport.Denied, sallyport.CodeExpired,
			"nobody decided by %s: %d of %d approvals", b.ExpiresAt.Format(time.RFC3339), len(t.People), b.Terms.Quorum)}
	}
	c.showApproved(ctx)
	return nil
}

// recount counts whenever a signal has come, and when a count has failed. What
// a signal says is not read here: the activity takes it from the event itself.
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
			workflow.GetLogger(ctx).Warn("votes could not be counted and will be again", "error", err)
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

// count judges the votes signalled since the last count, or the attested one.
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

// countOptions are the options of counting. An update is in the history only once the
// workflow task that took it up has completed. Counted within that task, a
// vote could be in the ledger, which lets nobody vote twice, and unknown to the
// workflow after a crash. So it is heard first, and counted then. Whose count
// fails is told so, and keeps nobody else waiting: what it may have recorded
// the next count finds in the ledger.
func countOptions(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout:    5 * time.Second,
		ScheduleToCloseTimeout: 30 * time.Second,
		WaitForCancellation:    true,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, MaximumInterval: 2 * time.Second},
	})
}

// rejection says who said no, and why.
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
