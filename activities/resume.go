package activities

import (
	"context"
	"log/slog"
	"time"

	"github.com/sallyport/sallyport"
)

// resume ends a call that started and left no outcome: the process that ran
// it is gone. A read may run again. A write is adopted where its run has
// outlived that process, and else looked for in the target. Where the target
// does not show it, it runs again if its runner guarantees at most one effect;
// otherwise the call ends as ambiguous, and a human must look at the target.
func (a *Activities) resume(ctx context.Context, in RunInput, rec sallyport.Record) (Ended, error) {
	if rec.Outcome != nil {
		return ended(*rec.Outcome), nil
	}
	if rec.Intent == nil || rec.Intent.Digest() != rec.Start.Intent {
		return a.endRun(ctx, sallyport.NewRecordRedactor(rec), rec.Start.Runner, sallyport.Intent{}, rec.Call.ID, unknown())
	}
	if rec.Intent.Tool.ReadOnly {
		return a.rerun(ctx, in, rec, func(why *sallyport.Failure) sallyport.Outcome {
			why.Message = "interrupted, and not run again: " + why.Message
			return sallyport.Outcome{State: sallyport.StateFailed, Error: why}
		})
	}
	found, err := a.findEffect(ctx, rec)
	if err != nil {
		return Ended{}, err
	}
	k, ok := a.Runners[rec.Start.Runner].(sallyport.Resumable)
	if found == nil && ok && k.Resumable(*rec.Intent) {
		return a.rerun(ctx, in, rec, func(*sallyport.Failure) sallyport.Outcome { return unknown() })
	}
	return a.recordOutcome(ctx, rec, found)
}

// rerun runs a started call once more if it may still run, and ends it with the
// outcome of otherwise if not.
func (a *Activities) rerun(ctx context.Context, in RunInput, rec sallyport.Record, otherwise func(*sallyport.Failure) sallyport.Outcome) (Ended, error) {
	permit, r, err := a.startable(ctx, rec.Call, in.Evidence, rec)
	if err == nil {
		return a.act(ctx, r, permit, otherwise)
	}
	if sallyport.KindOf(err) == sallyport.Unavailable {
		return Ended{}, err
	}
	return a.endRun(ctx, sallyport.NewRecordRedactor(rec), rec.Start.Runner, *rec.Intent, rec.Call.ID, otherwise(failureOf(err)))
}

// reconcile ends a call that started, by what the target shows of it.
func (a *Activities) reconcile(ctx context.Context, rec sallyport.Record) (Ended, error) {
	var found *sallyport.Outcome
	if rec.Intent != nil && rec.Intent.Tool.ReadOnly && rec.Intent.Digest() == rec.Start.Intent {
		found = &sallyport.Outcome{State: sallyport.StateFailed, Error: &sallyport.Failure{Code: sallyport.CodeInterrupted, Message: "the run was interrupted; it only read"}}
	} else if rec.Intent != nil {
		var err error
		if found, err = a.findEffect(ctx, rec); err != nil {
			return Ended{}, err
		}
	}
	return a.recordOutcome(ctx, rec, found)
}

// findEffect looks for a write's effect in the target. Of a call from the ledger,
// whose redacted arguments can't be looked for, it returns none of the tool's words.
func (a *Activities) findEffect(ctx context.Context, rec sallyport.Record) (*sallyport.Outcome, error) {
	r, ok := a.Reconcilers[rec.Start.Runner]
	if !ok {
		return nil, nil //nolint:nilnil // without a reconciler no effect is found
	}
	// The run may go on and be followed: a freeze must reach it here too.
	ctx, over := a.runs.begin(ctx, rec.Call.ID)
	defer over()
	found, err := r.Reconcile(ctx, *rec.Intent)
	if err != nil {
		return nil, sallyport.Errorf(sallyport.Unavailable, sallyport.CodeUnavailable, "the target of call %s is out of reach, and its effect cannot be looked for: %w", rec.Call.ID, err)
	}
	if found != nil {
		*found = sallyport.NewRecordRedactor(rec).Found(*found)
	}
	return found, nil
}

// recordOutcome records the end of a call that started: the effect that was found
// in the target, or that it is ambiguous.
func (a *Activities) recordOutcome(ctx context.Context, rec sallyport.Record, found *sallyport.Outcome) (Ended, error) {
	out := unknown()
	if found != nil {
		out = *found
	}
	out.StartedAt = rec.StartedAt
	var i sallyport.Intent
	if rec.Intent != nil {
		i = *rec.Intent
	}
	return a.endRun(ctx, sallyport.NewRecordRedactor(rec), rec.Start.Runner, i, rec.Call.ID, out)
}

// endRun records the outcome of a run, and has its runner release the run. The
// sweeper releases what could not be released now.
func (a *Activities) endRun(ctx context.Context, redactor sallyport.Redactor, runner string, i sallyport.Intent, callID string, out sallyport.Outcome) (Ended, error) {
	end, err := a.end(ctx, redactor, i, callID, out)
	k, ok := a.Runners[runner].(sallyport.Resumable)
	if err != nil || !ok {
		return end, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := k.Release(ctx, callID); err != nil {
		a.Logger.WarnContext(ctx, "could not release a run; the sweeper will retry", slog.String("call_id", callID), slog.Any("error", err))
	}
	return end, nil
}

func unknown() sallyport.Outcome {
	return sallyport.Outcome{State: sallyport.StateAmbiguous, Error: &sallyport.Failure{
		Code:    sallyport.CodeInterrupted,
		Message: "the run was interrupted and the target does not show its effect; a human must look before anything is tried again",
	}}
}
