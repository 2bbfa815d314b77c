package activities

import (
	"context"
	"encoding/base64"
	"io"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/sallyport/sallyport"
)

// AskInput is the call, and the plan that approvers are to see.
type AskInput struct {
	Call sallyport.SignedCall `json:"call"`
	Plan *sallyport.Plan      `json:"plan,omitempty"`
}

// Ask opens the ballot of this workflow run: it draws the nonce that makes
// votes single-use, and records the ballot.
func (a *Activities) Ask(ctx context.Context, in AskInput) (b sallyport.Ballot, err error) {
	done := a.step(ctx, "ask")
	var call sallyport.Call
	defer func() { done(err); err = forTemporal(call, err) }()
	call, err = a.open(ctx, in.Call)
	if err != nil {
		return b, err
	}
	s, err := a.resolve(ctx, call)
	if err != nil {
		return b, err
	}
	rec, err := a.Ledger.Call(ctx, call.ID)
	if err != nil {
		return b, err
	}
	if rec.Decision == nil || rec.Decision.Approval == nil {
		return b, sallyport.Errorf(sallyport.Conflict, sallyport.CodeNotAsked, "policy did not ask for approval of call %s", call.ID)
	}
	if err := shown(s, rec, in.Plan); err != nil {
		return b, a.recordDrift(ctx, s.redactor(), call.ID, err)
	}
	b, err = a.draw(s, *rec.Decision.Approval, rec.Plan)
	if err != nil {
		return b, err
	}
	b.RunID = activity.GetInfo(ctx).WorkflowExecution.RunID
	r, err := a.record(ctx, s.redactor(), sallyport.Entry{CallID: call.ID, Kind: sallyport.EntryBallot, Key: b.RunID, At: b.OpenedAt, Ballot: &b})
	if err != nil {
		return sallyport.Ballot{}, err
	}
	return *r.Entry.Ballot, nil
}

func (a *Activities) draw(s subject, terms sallyport.Terms, plan *sallyport.Plan) (sallyport.Ballot, error) {
	var nonce [16]byte
	if _, err := io.ReadFull(a.Random, nonce[:]); err != nil {
		return sallyport.Ballot{}, sallyport.Errorf(sallyport.Unavailable, sallyport.CodeNoRandomness, "the ballot's nonce could not be drawn: %w", err)
	}
	now := a.Now()
	b := sallyport.Ballot{
		CallID: s.call.ID, Nonce: base64.RawURLEncoding.EncodeToString(nonce[:]), Intent: s.intent.Digest(), Terms: terms,
		OpenedAt: now, ExpiresAt: now.Add(time.Duration(terms.TTLSeconds) * time.Second),
	}
	if plan != nil {
		b.Plan = plan.Digest()
	}
	return b, nil
}

// shown refuses a ballot about another intent or plan than the ledger shows to
// voters.
func shown(s subject, rec sallyport.Record, plan *sallyport.Plan) error {
	switch {
	case rec.Intent == nil || rec.Intent.Digest() != s.intent.Digest():
		return intentDrift(s, rec)
	case rec.Plan == nil && !s.tool.PlanNever:
		return sallyport.Errorf(sallyport.Conflict, sallyport.CodeNotPlanned, "call %s has no plan yet, and approvers must see one", s.call.ID)
	case rec.Plan != nil && (plan == nil || plan.Digest() != rec.Plan.Digest()):
		return sallyport.Errorf(sallyport.Conflict, sallyport.CodeOtherPlan, "the plan is not the one that was recorded for call %s", s.call.ID)
	}
	return nil
}
