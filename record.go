package sallyport

import (
	"slices"
	"time"
)

// EntryKind says what an [Entry] records.
type EntryKind string

// The kinds of entry, in the order in which a call makes them.
const (
	EntryReceived EntryKind = "received" // the API took the call: Call, Signed
	EntryIntent   EntryKind = "intent"   // it was made precise: Intent
	EntryDecision EntryKind = "decision" // policy spoke: Decision (and the Plan it saw)
	EntryPlan     EntryKind = "plan"     // what it would change was found out: Plan; once per call
	EntryBallot   EntryKind = "ballot"   // the wait began: Ballot
	EntryVote     EntryKind = "vote"     // a vote counted: Vote
	EntryRefusal  EntryKind = "refusal"  // a vote did not count: Refusal
	EntryDrift    EntryKind = "drift"    // it is no more what was recorded: Drift
	EntryStart    EntryKind = "start"    // a run is about to act: Start; once per call
	EntryPlaced   EntryKind = "placed"   // the run got a place of its own: Placement
	EntryStop     EntryKind = "stop"     // somebody wants the call to end: Stop
	EntryOutcome  EntryKind = "outcome"  // the call ended: Outcome; once per call
	EntryErasure  EntryKind = "erasure"  // its contents were erased: Erasure; the last one
)

// The kinds of entry that are a freeze's and no call's.
const (
	EntryFreeze EntryKind = "freeze" // it began: Freeze
	EntryLift   EntryKind = "lift"   // it ended: Lift
)

// OfFreeze reports whether this is a step of a freeze, and of no call.
func (k EntryKind) OfFreeze() bool { return k == EntryFreeze || k == EntryLift }

// Entry is one step of one call, or of one freeze, as the ledger keeps it. The
// fields that its kind names are set.
type Entry struct {
	CallID string    `json:"call_id"` // of the call, or of the freeze
	Kind   EntryKind `json:"kind"`
	Key    string    `json:"key,omitempty"` // tells entries of one kind apart; "" where there is one
	At     time.Time `json:"at"`

	Call     *Call      `json:"call,omitempty"`
	Signed   SignedCall `json:"signed,omitempty"`
	Intent   *Intent    `json:"intent,omitempty"`
	Decision *Decision  `json:"decision,omitempty"`
	Plan     *Plan      `json:"plan,omitempty"`
	Ballot   *Ballot    `json:"ballot,omitempty"`
	Vote     *Vote      `json:"vote,omitempty"`
	Refusal  *Refusal   `json:"refusal,omitempty"`
	Drift    *Drift     `json:"drift,omitempty"`
	Start    *Start     `json:"start,omitempty"`
	Placed   *Placement `json:"placed,omitempty"`
	Stop     *Stop      `json:"stop,omitempty"`
	Outcome  *Outcome   `json:"outcome,omitempty"`
	Erasure  *Erasure   `json:"erasure,omitempty"`
	Freeze   *Freeze    `json:"freeze,omitempty"`
	Lift     *Lift      `json:"lift,omitempty"`
}

// Check reports, with an error of kind [Invalid], an entry that does not
// carry what its kind names.
func (e Entry) Check() error {
	ok := false
	switch e.Kind {
	case EntryReceived:
		ok = e.Call != nil && e.Signed != "" && e.Call.ID == e.CallID
	case EntryIntent:
		ok = e.Intent != nil && e.Intent.CallID == e.CallID
	case EntryDecision:
		ok = e.Decision != nil
	case EntryBallot:
		ok = e.Ballot != nil && e.Ballot.CallID == e.CallID
	case EntryVote:
		ok = e.Vote != nil
	case EntryRefusal:
		ok = e.Refusal != nil
	case EntryStart:
		ok = e.Start != nil && e.Key == ""
	case EntryPlan:
		ok = e.Plan != nil && e.Key == ""
	case EntryDrift:
		ok = e.Drift != nil
	case EntryPlaced:
		ok = e.Placed != nil
	case EntryStop:
		ok = e.Stop != nil
	case EntryOutcome:
		ok = e.Outcome != nil && e.Outcome.State.Final() && e.Key == ""
	case EntryErasure:
		ok = e.Erasure != nil && e.Key == ""
	case EntryFreeze:
		ok = e.Freeze != nil && e.Freeze.ID == e.CallID && e.Key == ""
	case EntryLift:
		ok = e.Lift != nil && e.Key == ""
	}
	if !ok || !ValidCallID(e.CallID) || e.At.IsZero() {
		return Errorf(Invalid, "bad_entry", "an entry of kind %q for call %q lacks what it records", e.Kind, e.CallID)
	}
	return nil
}

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
		r.State, r.Call, r.Signed = Pending, *e.Call, e.Signed
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
		r.State, r.Ballot, r.Votes = AwaitingApproval, e.Ballot, nil
	case EntryVote:
		r.Votes = append(slices.Clip(r.Votes), *e.Vote)
	case EntryRefusal:
		r.Refused++
		r.Refusals = append(slices.Clip(r.Refusals), *e.Refusal)
		r.Refusals = r.Refusals[max(0, len(r.Refusals)-keptRefusals):]
	case EntryStart:
		r.State, r.Start, r.StartedAt = Running, e.Start, e.At
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

// rejected reports whether somebody said no on the latest ballot.
func (r Record) rejected() bool { return r.Ballot != nil && NewTally(*r.Ballot, r.Votes).Rejected }

// approved reports whether those who a start names are those whose recorded
// votes let it happen: nobody where nobody was asked.
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
		return Errorf(Invalid, "bad_entry", "a %s is no step of a call", e.Kind)
	case e.Kind != EntryReceived && r.Entries == 0:
		return Errorf(Conflict, "not_received", "call %s was never received", e.CallID)
	case r.has(e.Kind):
		return Errorf(Conflict, "repeated", "call %s has its %s already", e.CallID, e.Kind)
	case r.Outcome != nil && e.Kind != EntryRefusal && e.Kind != EntryErasure:
		return Errorf(Conflict, "ended", "call %s has ended as %s", e.CallID, r.State)
	case r.Outcome == nil && e.Kind == EntryErasure:
		return Errorf(Conflict, "not_ended", "call %s has not ended", e.CallID)
	case r.Start != nil:
		return r.admitsStarted(e)
	case e.Kind == EntryPlaced, e.Kind == EntryOutcome && e.Outcome.State.Ran():
		return Errorf(Conflict, "not_started", "call %s never started", e.CallID)
	case e.Kind == EntryStart || e.Kind == EntryBallot:
		return r.admitsNext(e)
	case r.Ballot != nil && (e.Kind == EntryDecision || e.Kind == EntryPlan):
		return Errorf(Conflict, "asked", "call %s waits on the decision that it has", e.CallID)
	case e.Kind == EntryVote && !r.waitsFor(*e.Vote):
		return Errorf(Conflict, "other_ballot", "call %s does not wait for votes on ballot %s", e.CallID, e.Vote.Ballot)
	}
	return nil
}

// has reports whether there is an entry already of a kind of which a call has
// one.
func (r Record) has(k EntryKind) bool {
	return k == EntryReceived && r.Entries > 0 || k == EntryPlan && r.Plan != nil || k == EntryStart && r.Start != nil || k == EntryOutcome && r.Outcome != nil
}

// admitsStarted is about what may follow a start.
func (r Record) admitsStarted(e Entry) error {
	if e.Kind == EntryPlan || e.Kind == EntryDecision || e.Kind == EntryBallot || e.Kind == EntryVote ||
		e.Kind == EntryOutcome && e.Outcome.State.NeverRan() {
		return Errorf(Conflict, "started", "call %s has started", e.CallID)
	}
	return nil
}

// admitsNext is about what leads to a run.
func (r Record) admitsNext(e Entry) error {
	switch {
	case r.Stop != nil:
		return Errorf(Conflict, "stopped", "somebody wants call %s to end", e.CallID)
	case r.rejected():
		return Errorf(Conflict, "rejected", "call %s was rejected", e.CallID)
	case e.Kind == EntryStart && !r.approved(*e.Start):
		return Errorf(Conflict, "not_approved", "the votes on call %s are not those by which it is to start", e.CallID)
	}
	return nil
}

func (r Record) waitsFor(v Vote) bool { return r.Ballot != nil && v.Ballot == r.Ballot.Digest() }
