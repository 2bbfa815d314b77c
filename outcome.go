package sallyport

import (
	"encoding/json"
	"time"
)

// State is where a call stands.
type State string

// The states. All but the first three are final.
const (
	StatePending          State = "pending"
	StateAwaitingApproval State = "awaiting_approval"
	StateRunning          State = "running"
	StateSucceeded        State = "succeeded" // it ran
	StateFailed           State = "failed"    // it ran, and the tool failed
	StateAmbiguous        State = "ambiguous" // it ran, and the target does not show how far
	StateInvalid          State = "invalid"   // it never ran, like all that follow
	StateDenied           State = "denied"
	StateRejected         State = "rejected"
	StateExpired          State = "expired"
	StateCancelled        State = "cancelled"
)

// States lists every state.
func States() []State {
	return []State{StatePending, StateAwaitingApproval, StateRunning, StateSucceeded, StateFailed, StateAmbiguous, StateInvalid, StateDenied, StateRejected, StateExpired, StateCancelled}
}

// Final reports whether a call in this state has ended.
func (s State) Final() bool { return s.Ran() || s.NeverRan() }

// Ran reports whether this is the end of a call that started to run.
func (s State) Ran() bool { return s == StateSucceeded || s == StateFailed || s == StateAmbiguous }

// NeverRan reports whether this is the end of a call that did not run.
func (s State) NeverRan() bool {
	switch s {
	case StateInvalid, StateDenied, StateRejected, StateExpired, StateCancelled:
		return true
	default:
		return false
	}
}

// Outcome is how a call ended.
type Outcome struct {
	State      State           `json:"state"`            // final
	Result     json.RawMessage `json:"result,omitempty"` // the tool's output; untrusted
	Error      *Failure        `json:"error,omitempty"`
	Reference  string          `json:"reference,omitempty"` // finds the effect: a commit, an object's UID
	Place      string          `json:"place,omitempty"`     // where it ran
	StartedAt  time.Time       `json:"started_at,omitzero"`
	FinishedAt time.Time       `json:"finished_at"`
}

// Failure says why a call did not succeed.
type Failure struct {
	Code    string   `json:"code"`
	Message string   `json:"message"` // may quote the tool: untrusted text
	Fields  []Field  `json:"fields,omitempty"`
	Reasons []Reason `json:"reasons,omitempty"`
}

// Erasure names the person who erased a call's contents, and the reason.
type Erasure struct {
	By     string `json:"by"`
	Reason string `json:"reason"`
}
