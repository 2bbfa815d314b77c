package activities

import (
	"context"
	"time"

	"github.com/sallyport/sallyport"
)

// runLag is how long after its ballot closed a call may start: time to plan
// it again, and no more.
const runLag = 20 * time.Minute

// current refuses what was recorded, or approved, too long ago or otherwise.
func (a *Activities) current(s subject, rec sallyport.Record) error {
	switch {
	case rec.Intent == nil || rec.Intent.Digest() != s.intent.Digest():
		return intentDrift(s, rec)
	case rec.Ballot != nil && a.Now().After(rec.Ballot.ExpiresAt.Add(runLag)):
		return sallyport.Errorf(sallyport.Denied, sallyport.CodeExpired, "the approval was good until %s", rec.Ballot.ExpiresAt.Format(time.RFC3339))
	}
	return nil
}

// planDrift refuses an effect that is not the one people agreed to. The permit
// would refuse it too, and could not say how it differs.
func planDrift(rec sallyport.Record, plan *sallyport.Plan) error {
	if rec.Ballot == nil || rec.Plan == nil || plan == nil || rec.Plan.Digest() == plan.Digest() {
		return nil
	}
	return drifted("the effect is not the one that was approved", rec.Plan, plan)
}

// intentDrift says how a call's meaning changed since it was recorded. What the
// identity table says of the agent is not told to the agent.
func intentDrift(s subject, rec sallyport.Record) error {
	what := "call " + s.call.ID + " does not mean any more what was recorded"
	if rec.Intent == nil {
		return drifted(what, nil, "a call that was never made precise")
	}
	before, now := *rec.Intent, s.intent.Redacted()
	if sallyport.Difference(before.Agent, now.Agent) != "" {
		what += " (the identity table has changed what it says of the agent)"
	}
	before.Agent, now.Agent = sallyport.Agent{}, sallyport.Agent{}
	return drifted(what, before, now)
}

// recordDrift records what an error says of a drift, and is that error. What can't
// be recorded is tried again.
func (a *Activities) recordDrift(ctx context.Context, callID string, err error) error {
	if sallyport.CodeOf(err) != sallyport.CodeDrift {
		return err
	}
	d := sallyport.Drift{Message: sallyport.AsError(err).Message}
	key := sallyport.NewDigest("sallyport/drift/v1", []byte(d.Message))
	_, unrecorded := a.Ledger.Record(ctx, sallyport.Entry{CallID: callID, Kind: sallyport.EntryDrift, Key: string(key), At: a.Now(), Drift: &d})
	if unrecorded != nil && sallyport.KindOf(unrecorded) != sallyport.Conflict { // it has ended meanwhile
		return unrecorded
	}
	return err
}

// drifted says that something is not any more as it was, and how it differs.
func drifted(what string, before, now any) error {
	if d := sallyport.Difference(before, now); d != "" {
		what += ": " + d
	}
	return sallyport.Errorf(sallyport.Denied, sallyport.CodeDrift, "%s", what)
}
