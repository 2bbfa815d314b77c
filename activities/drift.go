package activities

import (
	"context"
	"time"

	"github.com/sallyport/sallyport"
)

// runLag is how long after its ballot closed a call may start: time to plan
// it again, and no more.
const runLag = 20 * time.Minute

// current refuses a call whose intent differs from the recorded one, or whose
// approval is too old.
func (a *Activities) current(s subject, rec sallyport.Record) error {
	switch {
	case rec.Intent == nil || rec.Intent.Digest() != s.intent.Digest():
		return intentDrift(s, rec)
	case rec.Ballot != nil && a.Now().After(rec.Ballot.ExpiresAt.Add(runLag)):
		return sallyport.Errorf(sallyport.Denied, sallyport.CodeExpired, "the approval was good until %s", rec.Ballot.ExpiresAt.Format(time.RFC3339))
	}
	return nil
}

// planDrift refuses a plan that is not the approved one. The permit would refuse
// it too, and could not say how it differs.
func planDrift(rec sallyport.Record, plan *sallyport.Plan) error {
	if rec.Ballot == nil || rec.Plan == nil || plan == nil || rec.Plan.Digest() == plan.Digest() {
		return nil
	}
	return drifted("the plan has changed since it was approved", rec.Plan, plan)
}

// intentDrift says how a call's intent changed since it was recorded. It does
// not tell the agent what the identity table says of it.
func intentDrift(s subject, rec sallyport.Record) error {
	what := "call " + s.call.ID + " does not resolve any more to the intent that was recorded"
	if rec.Intent == nil {
		return drifted(what, nil, "a call without a recorded intent")
	}
	before, now := *rec.Intent, s.intent.Redacted()
	if sallyport.Difference(before.Agent, now.Agent) != "" {
		what += " (the agent's entry in the identity table has changed)"
	}
	before.Agent, now.Agent = sallyport.Agent{}, sallyport.Agent{}
	return drifted(what, before, now)
}

// recordDrift records the drift that an error reports, and returns that error.
// Where the ledger is out of reach it returns the ledger's, so that Temporal
// tries again.
func (a *Activities) recordDrift(ctx context.Context, redactor sallyport.Redactor, callID string, err error) error {
	if sallyport.CodeOf(err) != sallyport.CodeDrift {
		return err
	}
	d := sallyport.Drift{Message: redactor.Scrub(sallyport.AsError(err).Message)}
	key := sallyport.NewDigest("sallyport/drift/v1", []byte(d.Message))
	_, unrecorded := a.record(ctx, redactor, sallyport.Entry{CallID: callID, Kind: sallyport.EntryDrift, Key: string(key), At: a.Now(), Drift: &d})
	if unrecorded != nil && sallyport.KindOf(unrecorded) != sallyport.Conflict { // it has ended meanwhile
		return unrecorded
	}
	return err
}

// drifted is the error of a drift, with the difference.
func drifted(what string, before, now any) error {
	if d := sallyport.Difference(before, now); d != "" {
		what += ": " + d
	}
	return sallyport.Errorf(sallyport.Denied, sallyport.CodeDrift, "%s", what)
}
