package sallyport

import (
	"slices"
	"time"
)

// Permit says that a call, its intent, decision, plan and votes belong
// together and hold now. Only [NewPermit] makes one that says so; a permit
// that came from anywhere else fails [Permit.Check].
type Permit struct {
	grounds Grounds
	at      time.Time
}

// Grounds are what a permit is made from. Ballot and Votes are set only where
// policy asked people, and Plan also where the tool always plans.
type Grounds struct {
	Call     Call
	Intent   Intent
	Decision Decision
	Plan     *Plan
	Ballot   *Ballot
	Votes    []Vote
}

// NewPermit refuses, with an error of kind [Denied], grounds that do not
// belong together.
func NewPermit(g Grounds, now time.Time) (Permit, error) {
	if now.IsZero() {
		return Permit{}, Errorf(Internal, CodeNoTime, "a permit needs the time at which it is made")
	}
	p := Permit{grounds: g, at: now}
	return p, p.Check()
}

// Check re-checks a permit; the zero permit never passes.
func (p Permit) Check() error {
	g := p.grounds
	switch {
	case p.at.IsZero():
		return Errorf(Denied, CodeNoPermit, "nothing runs without a permit")
	case g.Call.ID == "" || !g.Intent.isOf(g.Call):
		return Errorf(Denied, CodeOtherCall, "the intent is of another call")
	}
	switch g.Decision.Effect {
	case Allow:
		if g.Ballot == nil && len(g.Votes) == 0 {
			return nil
		}
		// Policy asked people and no longer does. Their votes still hold.
		return g.checkVotes()
	case Ask:
		if g.Ballot != nil && (g.Decision.Approval == nil || !g.Ballot.Terms.Equal(*g.Decision.Approval)) {
			return Errorf(Denied, CodeDrift, "policy's terms have changed since the approval: %s", Difference(g.Ballot.Terms, g.Decision.Approval))
		}
		return g.checkVotes()
	default:
		return Errorf(Denied, CodeDenied, "policy did not allow this call")
	}
}

// checkVotes compares the votes with the ballot, and the ballot with the intent
// and the plan.
func (g Grounds) checkVotes() error {
	b := g.Ballot
	var plan Digest
	if g.Plan != nil {
		plan = g.Plan.Digest()
	}
	switch {
	case b == nil:
		return Errorf(Denied, CodeNoBallot, "policy requires approval, and the call has no ballot")
	case b.CallID != g.Call.ID:
		return Errorf(Denied, CodeOtherCall, "the ballot is another call's")
	case b.Intent != g.Intent.Digest():
		return Errorf(Denied, CodeDrift, "the intent has changed since it was approved")
	case b.Plan != plan:
		return Errorf(Denied, CodeDrift, "the plan has changed since it was approved")
	}
	if t := NewTally(*b, g.Votes); t.Rejected || !t.Approved {
		return Errorf(Denied, CodeNoQuorum, "the ballot has %d of %d approvals", len(t.People), b.Terms.Quorum)
	}
	if slices.ContainsFunc(g.Votes, func(v Vote) bool { return v.Person == g.Intent.Agent.Owner }) {
		return Errorf(Denied, CodeOwnAgent, "the agent's owner voted")
	}
	return nil
}

// Call is the call that may run.
func (p Permit) Call() Call { return p.grounds.Call }

// Intent is the intent that may run.
func (p Permit) Intent() Intent { return p.grounds.Intent }

// Decision is policy's.
func (p Permit) Decision() Decision { return p.grounds.Decision }

// Plan is the plan that was approved or evaluated, or nil where there is none.
func (p Permit) Plan() *Plan { return p.grounds.Plan }

// Ballot is what people voted on, or nil where policy did not ask them.
func (p Permit) Ballot() *Ballot { return p.grounds.Ballot }

// People are the approvers, sorted.
func (p Permit) People() []string {
	if p.grounds.Ballot == nil {
		return nil
	}
	return NewTally(*p.grounds.Ballot, p.grounds.Votes).People
}

// At is when the permit was made.
func (p Permit) At() time.Time { return p.at }
