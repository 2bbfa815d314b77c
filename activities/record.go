package activities

import (
	"context"
	"fmt"

	"github.com/sallyport/sallyport"
)

// record records an entry without what is stored nowhere. Every entry of the
// steps passes here.
func (a *Activities) record(ctx context.Context, r sallyport.Redactor, e sallyport.Entry) (sallyport.Receipt, error) {
	return a.Ledger.Record(ctx, r.Entry(e))
}

// FinishInput is the end of a call that never ran.
type FinishInput struct {
	Call    sallyport.SignedCall `json:"call"`
	Outcome sallyport.Outcome    `json:"outcome"`
}

// Finish records the end of a call that never ran. Where the ledger says that
// it did start, Finish looks for its effect in the target instead.
func (a *Activities) Finish(ctx context.Context, in FinishInput) (end Ended, err error) {
	done := a.step(ctx, "finish")
	var call sallyport.Call
	defer func() { done(err); err = forTemporal(call, err) }()
	call, err = a.open(ctx, in.Call)
	if err != nil {
		return end, err
	}
	stop := a.heartbeats(ctx, call.ID) // a run that did start may have to be waited for
	defer stop()
	rec, err := a.recorded(ctx, call)
	if err != nil {
		return end, err
	}
	return a.finish(ctx, rec, in.Outcome)
}

func (a *Activities) finish(ctx context.Context, rec sallyport.Record, out sallyport.Outcome) (Ended, error) {
	switch {
	case rec.Outcome != nil:
		return ended(*rec.Outcome), nil
	case rec.Start != nil:
		return a.reconcile(ctx, rec)
	case !out.State.NeverRan():
		return Ended{}, sallyport.Errorf(sallyport.Invalid, sallyport.CodeBadOutcome, "a call that never ran can't end as %q", out.State)
	}
	out, err := a.neverRan(rec, out)
	if err != nil {
		return Ended{}, err
	}
	if rec.Stop != nil && out.State == sallyport.StateCancelled {
		out.Error = stopped(*rec.Stop)
	}
	i := sallyport.Intent{Agent: sallyport.Agent{ID: rec.Call.AgentID}}
	if t, ok := a.Catalogue.Tool(rec.Call.Tool); ok { // another name is the agent's own text, which logs do not show
		i.Tool.Name = t.Name
	}
	if rec.Intent != nil {
		i = *rec.Intent
	}
	return a.end(ctx, sallyport.NewRecordRedactor(rec), i, rec.Call.ID, out)
}

// stopped is the failure of a call that its agent, an operator or a freeze
// stopped.
func stopped(s sallyport.Stop) *sallyport.Failure {
	f := &sallyport.Failure{Code: sallyport.CodeCancelled, Message: "cancelled by " + s.By + " before it ran"}
	if s.Freeze != "" {
		f.Code, f.Message = sallyport.CodeFrozen, fmt.Sprintf("stopped by %s before it ran: %s (freeze %s)", s.By, s.Reason, s.Freeze)
	}
	return f
}

// Lost ends a call whose workflow is gone: it was terminated, it timed out,
// or it never came to be. It is for the worker's sweeper, and no activity.
func (a *Activities) Lost(ctx context.Context, rec sallyport.Record, why string) (Ended, error) {
	return a.finish(ctx, rec, sallyport.Outcome{
		State: sallyport.StateCancelled,
		Error: &sallyport.Failure{Code: sallyport.CodeWorkflowLost, Message: why + "; the ledger shows no run"},
	})
}

// neverRan is an end without what only a run can yield. That the call was
// rejected or expired must show in the ledger: the caller's word is not enough.
func (a *Activities) neverRan(rec sallyport.Record, out sallyport.Outcome) (sallyport.Outcome, error) {
	tally := sallyport.Tally{}
	if rec.Ballot != nil {
		tally = sallyport.NewTally(*rec.Ballot, rec.Votes)
	}
	if out.State == sallyport.StateRejected && !tally.Rejected ||
		out.State == sallyport.StateExpired && (rec.Ballot == nil || a.Now().Before(rec.Ballot.ExpiresAt.Add(-clockSkew))) {
		return out, sallyport.Errorf(sallyport.Invalid, sallyport.CodeBadOutcome, "the ledger does not show that the call ended as %q", out.State)
	}
	return sallyport.Outcome{State: out.State, Error: out.Error}, nil
}
