package sallyport

import (
	"context"
	"time"
)

// Identifier finds the agent or the person that a token stands for.
//
// Identify returns an error of kind [Unauthenticated] for a token that is
// malformed, forged, expired, or of an account that the identity table does not
// list, and [Unavailable] when the issuer's keys are out of reach. Any error
// means that the sender is unknown. Safe for concurrent use.
type Identifier interface {
	Identify(ctx context.Context, token string) (Identity, error)
}

// Directory is the identity table as it stands now.
//
// Both methods return an error of kind [NotFound] for an account that is not
// listed as one of the kind asked for. An agent's issuer never yields a
// person. Safe for concurrent use.
type Directory interface {
	Agent(Account) (Agent, error)
	Person(Account) (Person, error)
}

// CallVerifier opens signed calls. It returns an error of kind [Denied] for
// a call that the API did not sign.
type CallVerifier interface {
	VerifyCall(SignedCall) (Call, error)
}

// AttestationVerifier opens the API's attestations of votes. It returns an
// error of kind [Denied] for one that the API did not sign.
type AttestationVerifier interface {
	VerifyAttestation(token string) (Attestation, error)
}

// VoteVerifier opens votes that an identity provider signed.
//
// VerifyVote returns an error of kind [Denied] for a token that is forged, of
// an issuer that vouches for no person, for another purpose, or not valid yet,
// and [Unavailable] when the issuer's keys are out of reach. A token that has
// expired since it was issued is no error: the caller compares the token's own
// times with the ballot's. Safe for concurrent use.
type VoteVerifier interface {
	VerifyVote(ctx context.Context, token string) (SignedVote, error)
}

// Question is all that a decision is made from: the same question under the
// same policy has the same decision.
type Question struct {
	Intent  Intent
	Plan    *Plan // nil before planning
	History History
	Now     time.Time
}

// History counts an agent's other calls. It is input for policy, not a hard
// limit: two calls at once may not see each other.
type History struct {
	CallsLastMinute       int `json:"calls_last_minute"`
	CallsLastHour         int `json:"calls_last_hour"`
	SameArgumentsLastHour int `json:"same_arguments_last_hour"`
	DeniedLastHour        int `json:"denied_last_hour"`
}

// Decider evaluates policy about intents: the policy decision point.
//
// An error means "no decision" and must never be read as allow; it is of kind
// [Unavailable] while there is no policy. A decision to ask carries terms
// with a quorum of at least one. Safe for concurrent use.
type Decider interface {
	Decide(context.Context, Question) (Decision, error)
}

// VoteQuestion is all that policy knows of a vote.
type VoteQuestion struct {
	Person   Person
	Evidence EvidenceClass
	Intent   Intent
	Decision Decision
}

// VoteDecider evaluates policy about votes. No reasons means that the vote counts; an
// error means "no decision" and must never be read as yes. Safe for
// concurrent use.
type VoteDecider interface {
	DecideVote(context.Context, VoteQuestion) ([]Reason, error)
}

// Visibility says which tools an agent may know of. An error means none.
// Safe for concurrent use.
type Visibility interface {
	Visible(ctx context.Context, agent Agent, tool Tool) (bool, error)
}

// Runner plans and runs intents in a place made for one of them and thrown
// away after it.
//
// Plan MUST NOT change anything, and the same state of the world gives the
// same plan, whenever it is made. Run MUST refuse a permit that fails
// [Permit.Check] before it does anything, MUST enforce the plan's
// preconditions in the write itself, and MUST leave nothing running when it
// returns. An error from Run means that nothing was done; once anything may
// have been done, Run returns an [Outcome], which is [StateAmbiguous] when the
// runner can't tell. A cancelled context stops the run. Safe for concurrent
// use.
type Runner interface {
	Plan(context.Context, Intent) (Plan, error)
	Run(context.Context, Permit) (Outcome, error)
}

// Reconciler finds out whether an effect happened, from the target alone:
// the process that ran the intent is gone and left no outcome.
//
// It returns nil where the target does not show this call's effect, which is
// no proof that there was none. Where the run itself has outlived that process,
// it waits for its end. Safe for concurrent use.
type Reconciler interface {
	Reconcile(context.Context, Intent) (*Outcome, error)
}

// Resumable is a [Runner] whose runs outlive the process that started them.
//
// Place says where a call runs now, or "". Resumable reports whether Run may
// be called again for a call that has started and of which the Reconciler
// finds no effect: such a Run adopts the run that an earlier one began, so that
// the effect happens at most once. Release deletes what the runner kept for a
// call until its outcome was recorded. Safe for concurrent use.
type Resumable interface {
	Place(callID string) string
	Resumable(Intent) bool
	Release(ctx context.Context, callID string) error
}

// Placer is a [Runner] that knows before a call runs where that will be, and
// which image runs there. Safe for concurrent use.
type Placer interface {
	Placement(Intent) Placement // without a UID
}

// Recorder appends entries to the ledger.
//
// When Record returns without an error the entry is durable. An entry whose
// call, kind and key are in the ledger already is not written again: the
// receipt says Repeated and carries the stored entry, which governs. A start
// after the call's outcome, a never-ran outcome after its start, and any
// entry of a call that was never received are refused with an error of kind
// [Conflict], and one that fails [Entry.Check] or can't be encoded with
// [Invalid]. A ballot and a start of a call that a freeze stops are refused with
// an error of kind [Frozen]: in the order of the ledger, none comes after the
// freeze. A call that exceeds its agent's limits is refused with the code
// "rate_limited", "too_many_running", "too_many_waiting" or "too_many_bytes", and one
// for which there is no place with "overloaded". A call that repeats another, as
// [Call.Same] says, is refused with an error of kind [Conflict] and the code
// "same_call", which names the other call: of many at once, one is recorded. A call
// that ended as [StateCancelled] is not repeated. Any other error is [Unavailable].
// After any error the caller must not take the step. Safe for concurrent use.
type Recorder interface {
	Record(context.Context, Entry) (Receipt, error)
}

// Freezes reads what the ledger holds of freezes.
//
// Held lists the freezes that are not lifted, the earliest first. Freeze
// returns an error of kind [NotFound] for one that it doesn't know. Stopped
// lists, oldest first, calls that a freeze stops and that have not ended. Safe
// for concurrent use.
type Freezes interface {
	Held(ctx context.Context) ([]FreezeRecord, error)
	Freeze(ctx context.Context, id string) (FreezeRecord, error)
	Stopped(ctx context.Context, f Freeze, limit int) ([]Summary, error)
}

// Reader reads what the ledger holds of calls.
//
// Call and Await return an error of kind [NotFound] for a call they don't know.
// Await returns the call's record as soon as it holds more than seen entries,
// or when ctx ends (then it is the record as it stands, without an error).
// Safe for concurrent use.
type Reader interface {
	Call(ctx context.Context, id string) (Record, error)
	Await(ctx context.Context, id string, seen int) (Record, error)
	Calls(ctx context.Context, q Query) (Page, error)
	History(ctx context.Context, i Intent, now time.Time) (History, error)
}

// Notifier delivers notifications about a call's wait for approval.
//
// Notify returns nil once the receiver has taken the notification. An error of
// kind [Denied] says that the receiver refuses it for good; any other error
// means "not delivered", and it will be tried again, not before the error's
// RetryAfter. Each notification is delivered at least once, with the same ID
// and content at each attempt, so that a receiver knows a repetition by its
// ID. Notify is never called on the path of a call: no call waits for it or
// fails with it. Safe for concurrent use.
type Notifier interface {
	Notify(context.Context, Notification) error
}

// The Func types let a function stand for a seam of one method.
type (
	// IdentifierFunc is an [Identifier].
	IdentifierFunc func(context.Context, string) (Identity, error)
	// ReconcilerFunc is a [Reconciler].
	ReconcilerFunc func(context.Context, Intent) (*Outcome, error)
	// RecorderFunc is a [Recorder].
	RecorderFunc func(context.Context, Entry) (Receipt, error)
	// NotifierFunc is a [Notifier].
	NotifierFunc func(context.Context, Notification) error
)

// Identify calls f.
func (f IdentifierFunc) Identify(ctx context.Context, token string) (Identity, error) {
	return f(ctx, token)
}

// Reconcile calls f.
func (f ReconcilerFunc) Reconcile(ctx context.Context, i Intent) (*Outcome, error) { return f(ctx, i) }

// Record calls f.
func (f RecorderFunc) Record(ctx context.Context, e Entry) (Receipt, error) { return f(ctx, e) }

// Notify calls f.
func (f NotifierFunc) Notify(ctx context.Context, n Notification) error { return f(ctx, n) }
