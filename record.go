package sallyport

import (
	"slices"
	"time"
)

// Record is what a call's entries add up to.
type Record struct {
	Entries   int        `json:"entries"` // how many there are
	State     State      `json:"state"`
	Call      Call       `json:"call"`
	Signed    SignedCall `json:"signed"`
	Intent    *Intent    `json:"intent,omitempty"`
	Decision  *Decision  `json:"decision,omitempty"` // the latest
	Plan      *Plan      `json:"plan,omitempty"`
	Ballot    *Ballot    `json:"ballot,omitempty"`   // the latest
	Votes     []Vote     `json:"votes,omitempty"`    // for that ballot
	Refusals  []Refusal  `json:"refusals,omitempty"` // the last of them
	Refused   int        `json:"refused,omitempty"`  // how many there were
	Start     *Start     `json:"start,omitempty"`
	StartedAt time.Time  `json:"started_at,omitzero"`
	Placed    *Placement `json:"placed,omitempty"` // the latest
	Stop      *Stop      `json:"stop,omitempty"`   // the first
	Outcome   *Outcome   `json:"outcome,omitempty"`
	UpdatedAt time.Time  `json:"updated_at"`
}

// keptRefusals bounds what votes that don't count can add to a record. The
// ledger's leaves keep all of them.
const keptRefusals = 20

// Apply adds the call's next entry. Applied in order to the zero record, a
// call's entries always give the same record. It refuses, with an error of
// kind [Conflict], an entry that can't come next.
func (r Record) Apply(e Entry) (Record, error) {
	if err := e.Check(); err != nil {
		return r, err
	}
	if err := r.admits(e); err != nil {
		return r, err
	}
	r.Entries++
	r.UpdatedAt = e.At
	switch e.Kind {
	case EntryReceived:
		r.State, r.Call, r.Signed = StatePending, *e.Call, e.Signed
	case EntryIntent:
		r.Intent = e.Intent
	case EntryDecision:
		r.Decision = e.Decision
		if e.Plan != nil {
			r.Plan = e.Plan
		}
	case EntryPlan:
		r.Plan = e.Plan
	case EntryBallot:
		r.State, r.Ballot, r.Votes = StateAwaitingApproval, e.Ballot, nil
	case EntryVote:
		r.Votes = append(slices.Clip(r.Votes), *e.Vote)
	case EntryRefusal:
		r.Refused++
		r.Refusals = append(slices.Clip(r.Refusals), *e.Refusal)
		r.Refusals = r.Refusals[max(0, len(r.Refusals)-keptRefusals):]
	case EntryStart:
		r.State, r.Start, r.StartedAt = StateRunning, e.Start, e.At
	case EntryPlaced:
		r.Placed = e.Placed
	case EntryStop:
		if r.Stop == nil {
			r.Stop = e.Stop
		}
	case EntryOutcome:
		r.State, r.Outcome = e.Outcome.State, e.Outcome
	case EntryDrift, EntryErasure, EntryFreeze, EntryLift: // the record shows nothing of them
	}
	return r, nil
}

// rejected reports whether a person rejected the latest ballot.
func (r Record) rejected() bool { return r.Ballot != nil && NewTally(*r.Ballot, r.Votes).Rejected }

// approved reports whether a start names exactly the people whose recorded
// votes approve it. Without a ballot it names none.
func (r Record) approved(s Start) bool {
	if r.Ballot == nil {
		return s.Ballot == "" && len(s.People) == 0
	}
	t := NewTally(*r.Ballot, r.Votes)
	return t.Approved && s.Ballot == r.Ballot.Digest() && slices.Equal(s.People, t.People)
}

func (r Record) admits(e Entry) error {
	switch {
	case e.Kind.OfFreeze():
		return Errorf(Invalid, CodeBadEntry, "an entry of kind %s belongs to a freeze, not to a call", e.Kind)
	case e.Kind != EntryReceived && r.Entries == 0:
		return Errorf(Conflict, CodeNotReceived, "call %s was never received", e.CallID)
	case r.has(e.Kind):
		return Errorf(Conflict, CodeRepeated, "call %s already has an entry of kind %s", e.CallID, e.Kind)
	case r.Outcome != nil && e.Kind != EntryRefusal && e.Kind != EntryErasure:
		return Errorf(Conflict, CodeEnded, "call %s has ended as %s", e.CallID, r.State)
	case r.Outcome == nil && e.Kind == EntryErasure:
		return Errorf(Conflict, CodeNotEnded, "call %s has not ended", e.CallID)
	case r.Start != nil:
		return r.admitsStarted(e)
	case e.Kind == EntryPlaced, e.Kind == EntryOutcome && e.Outcome.State.Ran():
		return Errorf(Conflict, CodeNotStarted, "call %s never started", e.CallID)
	case e.Kind == EntryStart || e.Kind == EntryBallot:
		return r.admitsNext(e)
	case r.Ballot != nil && (e.Kind == EntryDecision || e.Kind == EntryPlan):
		return Errorf(Conflict, CodeAsked, "call %s has a ballot: its decision and its plan cannot change any more", e.CallID)
	case e.Kind == EntryVote && !r.waitsFor(*e.Vote):
		return Errorf(Conflict, CodeOtherBallot, "call %s does not wait for votes on ballot %s", e.CallID, e.Vote.Ballot)
	}
	return nil
}

// has reports whether the call already has the one entry of this kind that it
// may have.
func (r Record) has(k EntryKind) bool {
	return k == EntryReceived && r.Entries > 0 || k == EntryPlan && r.Plan != nil || k == EntryStart && r.Start != nil || k == EntryOutcome && r.Outcome != nil
}

// admitsStarted rejects entries that may not follow a start.
func (r Record) admitsStarted(e Entry) error {
	if e.Kind == EntryPlan || e.Kind == EntryDecision || e.Kind == EntryBallot || e.Kind == EntryVote ||
		e.Kind == EntryOutcome && e.Outcome.State.NeverRan() {
		return Errorf(Conflict, CodeStarted, "call %s has started", e.CallID)
	}
	return nil
}

// admitsNext rejects a ballot or a start that may not come next.
func (r Record) admitsNext(e Entry) error {
	switch {
	case r.Stop != nil:
		return Errorf(Conflict, CodeStopped, "call %s is being stopped and cannot start", e.CallID)
	case r.rejected():
		return Errorf(Conflict, CodeRejected, "call %s was rejected", e.CallID)
	case e.Kind == EntryStart && !r.approved(*e.Start):
		return Errorf(Conflict, CodeNotApproved, "the recorded votes on call %s are not the ones that its start names", e.CallID)
	}
	return nil
}

func (r Record) waitsFor(v Vote) bool { return r.Ballot != nil && v.Ballot == r.Ballot.Digest() }

// FreezeRecord is what a freeze's entries add up to.
type FreezeRecord struct {
	Entries int    `json:"entries"` // how many there are
	Freeze  Freeze `json:"freeze"`
	Lift    *Lift  `json:"lift,omitempty"`
}

// Apply adds the freeze's next entry. It refuses, with an error of kind
// [Conflict], one that can't come next.
func (r FreezeRecord) Apply(e Entry) (FreezeRecord, error) {
	if err := e.Check(); err != nil {
		return r, err
	}
	switch {
	case e.Kind == EntryFreeze && r.Entries == 0:
		r.Freeze = *e.Freeze
	case e.Kind == EntryLift && r.Entries > 0 && r.Lift == nil:
		r.Lift = e.Lift
	case e.Kind == EntryLift && r.Lift != nil:
		return r, Errorf(Conflict, CodeLifted, "freeze %s was lifted at %s", e.CallID, r.Lift.At.Format(time.RFC3339))
	default:
		return r, Errorf(Conflict, CodeNotFrozen, "an entry of kind %s cannot come here: there is no freeze %s", e.Kind, e.CallID)
	}
	r.Entries++
	return r, nil
}
