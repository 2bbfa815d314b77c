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
	if err := r.sequence().admits(e.Link()); err != nil {
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

// sequence is what the record allows to come next. Votes have to count, which
// leaves do not show: a start takes both, that the votes which count suffice, and
// that they are all there are.
func (r Record) sequence() Sequence {
	s := Sequence{planned: r.Plan != nil, end: r.State}
	for _, k := range []struct {
		kind EntryKind
		had  bool
	}{
		{EntryReceived, r.Entries > 0}, {EntryBallot, r.Ballot != nil}, {EntryStart, r.Start != nil}, {EntryStop, r.Stop != nil}, {EntryOutcome, r.Outcome != nil},
	} {
		if k.had {
			s.had = append(s.had, k.kind)
		}
	}
	if r.Ballot == nil {
		return s
	}
	s.ballot = r.Ballot.Digest()
	for _, v := range r.Votes {
		s.count(Link{Person: v.Person, Verdict: v.Verdict})
	}
	if t := NewTally(*r.Ballot, r.Votes); !t.Approved || !slices.Equal(s.approvers, t.People) {
		s.approvers = nil
	}
	return s
}

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
	var s Sequence
	if r.Entries > 0 {
		s.had = append(s.had, EntryFreeze)
	}
	if r.Lift != nil {
		s.had = append(s.had, EntryLift)
	}
	if err := s.admits(e.Link()); err != nil {
		return r, err
	}
	r.Entries++
	switch e.Kind {
	case EntryFreeze:
		r.Freeze = *e.Freeze
	case EntryLift:
		r.Lift = e.Lift
	default:
		return r, Errorf(Invalid, CodeBadEntry, "an entry of kind %s belongs to a call, not to a freeze", e.Kind)
	}
	return r, nil
}
