package activities

import (
	"context"

	"github.com/sallyport/sallyport"
)

// DecideInput is the call that Decide evaluates. With a plan it is the second
// decision of the call.
type DecideInput struct {
	Call sallyport.SignedCall `json:"call"`
	Plan *sallyport.Plan      `json:"plan,omitempty"`
}

// Decide asks policy and records its decision.
func (a *Activities) Decide(ctx context.Context, in DecideInput) (d sallyport.Decision, err error) {
	done := a.step(ctx, "decide")
	var call sallyport.Call
	defer func() { done(err); err = forTemporal(call, err) }()
	call, err = a.open(ctx, in.Call)
	if err != nil {
		return d, err
	}
	s, err := a.resolve(ctx, call)
	if err != nil {
		return d, err
	}
	key := "first"
	if in.Plan != nil {
		key = "planned"
		if err := a.planned(ctx, call.ID, *in.Plan); err != nil {
			return d, err
		}
	}
	d, err = a.evaluate(ctx, s.intent, in.Plan)
	if err != nil {
		return d, err
	}
	r, err := a.record(ctx, s.redactor(), sallyport.Entry{CallID: call.ID, Kind: sallyport.EntryDecision, Key: key, At: a.Now(), Decision: &d})
	if err != nil {
		return sallyport.Decision{}, err
	}
	return *r.Entry.Decision, nil
}

// planned refuses a plan that is not the recorded one: a Temporal client that
// starts an activity could invent one.
func (a *Activities) planned(ctx context.Context, callID string, p sallyport.Plan) error {
	rec, err := a.Ledger.Call(ctx, callID)
	if err == nil && (rec.Plan == nil || rec.Plan.Digest() != p.Digest()) {
		err = sallyport.Errorf(sallyport.Conflict, sallyport.CodeOtherPlan, "the plan is not the one that was recorded for call %s", callID)
	}
	return err
}
