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
	EntryIntent   EntryKind = "intent"   // the catalogue resolved it: Intent
	EntryDecision EntryKind = "decision" // policy decided: Decision (and the Plan it saw)
	EntryPlan     EntryKind = "plan"     // the runner planned it: Plan; once per call
	EntryBallot   EntryKind = "ballot"   // the wait began: Ballot
	EntryVote     EntryKind = "vote"     // a vote counted: Vote
	EntryRefusal  EntryKind = "refusal"  // a vote did not count: Refusal
	EntryDrift    EntryKind = "drift"    // the call or its target has changed: Drift
	EntryStart    EntryKind = "start"    // a run begins: Start; once per call
	EntryPlaced   EntryKind = "placed"   // the run has its place: Placement
	EntryStop     EntryKind = "stop"     // the agent, an operator or a freeze stops it: Stop
	EntryOutcome  EntryKind = "outcome"  // the call ended: Outcome; once per call
	EntryErasure  EntryKind = "erasure"  // its contents were erased: Erasure; the last one
)

// The kinds of entry of a freeze.
const (
	EntryFreeze EntryKind = "freeze" // it began: Freeze
	EntryLift   EntryKind = "lift"   // it ended: Lift
)

// OfFreeze reports whether this is a step of a freeze and not of a call.
func (k EntryKind) OfFreeze() bool { return k == EntryFreeze || k == EntryLift }

// Entry is one step of one call, or of one freeze, as the ledger keeps it. The
// fields that its kind names are set, and no others.
type Entry struct {
	CallID string    `json:"call_id"` // of the call, or of the freeze
	Kind   EntryKind `json:"kind"`
	Key    string    `json:"key,omitempty"` // tells entries of one kind apart; "" where there is one
	At     time.Time `json:"at"`

	Known *Known `json:"known,omitempty"` // of what agents and tools named; of a receipt, an intent and an outcome

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

// Known says which of the words that a call names are an operator's: they stand in
// the catalogue, in policy or in the configuration. The others are an agent's own
// text, which the log commits to and does not show. So is the code of a call's end,
// unless it is one of the gateway's own: a tool makes it. It is decided once, when
// the entry is made.
type Known struct {
	Tool      bool `json:"tool,omitempty"`
	Action    bool `json:"action,omitempty"`
	Resource  bool `json:"resource,omitempty"`
	Namespace bool `json:"namespace,omitempty"`
	Code      bool `json:"code,omitempty"`
}

// fits reports whether an entry names what this knows.
func (k Known) fits(e Entry) bool {
	switch e.Kind {
	case EntryReceived:
		return k == Known{Tool: k.Tool}
	case EntryIntent:
		return !k.Code
	case EntryOutcome:
		return e.Outcome != nil && e.Outcome.Error != nil && k == Known{Code: k.Code}
	default:
		return false
	}
}

// WordKind is what a call names by a word.
type WordKind int

// The kinds of words that an operator may have written as what a call names.
const (
	WordAction WordKind = iota + 1
	WordResource
	WordNamespace
)

// Check reports, with an error of kind [Invalid], an entry that lacks a member of
// its kind, or that has one that its kind does not name.
func (e Entry) Check() error {
	ok := false
	switch e.Kind {
	case EntryReceived:
		ok = e.has(e.Call != nil, e.Signed != "") && e.Call.ID == e.CallID
	case EntryIntent:
		ok = e.has(e.Intent != nil) && e.Intent.CallID == e.CallID
	case EntryDecision:
		ok = e.has(e.Decision != nil) || e.has(e.Decision != nil, e.Plan != nil)
	case EntryBallot:
		ok = e.has(e.Ballot != nil) && e.Ballot.CallID == e.CallID
	case EntryVote:
		ok = e.has(e.Vote != nil)
	case EntryRefusal:
		ok = e.has(e.Refusal != nil)
	case EntryStart:
		ok = e.has(e.Start != nil) && e.Key == ""
	case EntryPlan:
		ok = e.has(e.Plan != nil) && e.Key == ""
	case EntryDrift:
		ok = e.has(e.Drift != nil)
	case EntryPlaced:
		ok = e.has(e.Placed != nil)
	case EntryStop:
		ok = e.has(e.Stop != nil)
	case EntryOutcome:
		ok = e.has(e.Outcome != nil) && e.Outcome.State.Final() && e.Key == ""
	case EntryErasure:
		ok = e.has(e.Erasure != nil) && e.Key == ""
	case EntryFreeze:
		ok = e.has(e.Freeze != nil) && e.Freeze.ID == e.CallID && e.Key == ""
	case EntryLift:
		ok = e.has(e.Lift != nil) && e.Key == ""
	}
	ok = ok && (e.Known == nil || e.Known.fits(e))
	if !ok || !ValidCallID(e.CallID) || e.At.IsZero() {
		return Errorf(Invalid, CodeBadEntry, "an entry of kind %q for call %q has not exactly the members of its kind", e.Kind, e.CallID)
	}
	return nil
}

// has reports whether the named members are there, and no other.
func (e Entry) has(named ...bool) bool {
	n := 0
	for _, there := range []bool{
		e.Call != nil, e.Signed != "", e.Intent != nil, e.Decision != nil, e.Plan != nil, e.Ballot != nil, e.Vote != nil, e.Refusal != nil,
		e.Drift != nil, e.Start != nil, e.Placed != nil, e.Stop != nil, e.Outcome != nil, e.Erasure != nil, e.Freeze != nil, e.Lift != nil,
	} {
		if there {
			n++
		}
	}
	return n == len(named) && !slices.Contains(named, false)
}
