package sallyport

import (
	"fmt"
	"slices"
	"time"
)

// NotificationKind says what a [Notification] tells.
type NotificationKind string

// The kinds of notification. Each wait of a call has one that it was
// requested, and one of the others.
const (
	ApprovalRequested NotificationKind = "requested" // the call waits for people
	ApprovalDecided   NotificationKind = "decided"   // it waits no more: it runs, or has ended without a run
	ApprovalExpired   NotificationKind = "expired"   // the ballot closed without a decision
)

// Approved is the resolution of a call that its approvers approved. All other
// resolutions are states in which calls end without having run.
const Approved = "approved"

// Notification tells a receiver what became of a call's wait for approval. The
// same entries always give the same notification.
type Notification struct {
	ID   string           `json:"id"` // <call id>/<number of the leaf within the call>
	Kind NotificationKind `json:"kind"`
	At   time.Time        `json:"at"` // of the entry that it tells of

	CallID    string `json:"call_id"`
	Agent     string `json:"agent"`
	Owner     string `json:"owner"` // may not approve
	Tool      string `json:"tool"`
	Action    string `json:"action"`
	Resource  string `json:"resource"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`

	PlanSummary string    `json:"plan_summary,omitempty"` // untrusted text
	Reasons     []Reason  `json:"reasons,omitempty"`      // why policy asks; may quote the call: untrusted text
	Ballot      Digest    `json:"ballot"`
	Terms       Terms     `json:"terms"`
	ExpiresAt   time.Time `json:"expires_at"`
	RunID       string    `json:"run_id"`         // of the workflow run that waits
	Link        string    `json:"link,omitempty"` // to the page where people vote; the worker's notifier adds it

	Resolution string   `json:"resolution,omitempty"` // [Approved] or a state; empty when requested
	Approvers  []string `json:"approvers,omitempty"`  // sorted
	Rejecters  []string `json:"rejecters,omitempty"`  // sorted
	Code       string   `json:"code,omitempty"`       // why it ended without a run

	StatedReason string `json:"claimed_reason,omitempty"` // the agent's own words: untrusted text
}

// Step is an entry of the ledger, and where it stands.
type Step struct {
	Index  int64  // of the leaf in the tree, from 0
	Before Record // what the call's earlier entries add up to
	Entry  Entry
}

// Notification is the notification of a step. Only a ballot has one, and the
// step that ends the wait for it. Calls without a ballot have none.
func (s Step) Notification() (Notification, bool) {
	before, e := s.Before, s.Entry
	switch e.Kind {
	case EntryBallot:
		return before.notification(e, e.Ballot, ApprovalRequested), true
	case EntryStart, EntryOutcome:
		if before.Ballot == nil || before.Start != nil || before.Outcome != nil {
			return Notification{}, false
		}
	default:
		return Notification{}, false
	}
	n := before.notification(e, before.Ballot, ApprovalDecided)
	n.Approvers, n.Rejecters = before.voters()
	if e.Kind == EntryStart {
		n.Resolution, n.Approvers = Approved, e.Start.People
		return n, true
	}
	n.Resolution = string(e.Outcome.State)
	if e.Outcome.State == StateExpired {
		n.Kind = ApprovalExpired
	}
	if e.Outcome.Error != nil {
		n.Code = e.Outcome.Error.Code
	}
	return n, true
}

// notification has the members of every kind.
func (r Record) notification(e Entry, b *Ballot, k NotificationKind) Notification {
	n := Notification{
		ID: fmt.Sprintf("%s/%d", e.CallID, r.Entries), Kind: k, At: e.At, CallID: e.CallID,
		Agent: r.Call.AgentID, Tool: r.Call.Tool, StatedReason: r.Call.Stated.Reason,
		Ballot: b.Digest(), Terms: b.Terms, ExpiresAt: b.ExpiresAt, RunID: b.RunID,
	}
	if i := r.Intent; i != nil {
		n.Owner, n.Action, n.Resource, n.Namespace, n.Name = i.Agent.Owner, i.Action, i.Resource, i.Namespace, i.Name
	}
	if r.Decision != nil {
		n.Reasons = r.Decision.Reasons
	}
	if r.Plan != nil {
		n.PlanSummary = r.Plan.Summary
	}
	return n
}

// voters are those whose votes are recorded for the latest ballot.
func (r Record) voters() (yes, no []string) {
	for _, v := range r.Votes {
		switch v.Verdict {
		case Approve:
			yes = append(yes, v.Person)
		case Reject:
			no = append(no, v.Person)
		}
	}
	slices.Sort(yes)
	slices.Sort(no)
	return yes, no
}
