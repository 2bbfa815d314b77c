// Package wire holds the JSON of calls and errors as the REST API sends it. The API
// writes it and the client reads it; neither needs the other's libraries.
package wire

import (
	"encoding/json"
	"time"

	"github.com/sallyport/sallyport"
)

// Call is a call as the API shows it. A stage that the call has
// not reached is null.
type Call struct {
	ID         string          `json:"id"`
	State      sallyport.State `json:"state"`
	Agent      string          `json:"agent"`
	Tool       string          `json:"tool"`
	Intent     *Intent         `json:"intent"`
	Decision   *Decision       `json:"decision"`
	Plan       *Plan           `json:"plan"`
	Ballot     *Ballot         `json:"ballot"`
	Result     *Result         `json:"result"`
	Error      *Failure        `json:"error"`
	CreatedAt  time.Time       `json:"created_at"`
	FinishedAt *time.Time      `json:"finished_at"`
	TraceID    *string         `json:"trace_id"`
	Links      Links           `json:"links"`

	// Covered is for people who ask for this one call, and nil for agents.
	Covered *Covered `json:"covered,omitempty"`
}

// Covered holds the very bytes that the call's digests are over, so that a voter's
// own program can recompute the digests and show what they cover. They are texts
// and not JSON values: a program on the way may write a value anew, with other
// bytes.
type Covered struct {
	Intent string                 `json:"intent"`         // JSON of a [sallyport.Intent] as it is stored
	Plan   string                 `json:"plan,omitempty"` // JSON of a [sallyport.Plan]
	Ballot *sallyport.BallotParts `json:"ballot,omitempty"`
}

// Intent is the action and its target. A dry run's has no digest: a digest is
// over the call's id, and there is no call.
type Intent struct {
	Action    string           `json:"action"`
	Resource  string           `json:"resource"`
	Namespace string           `json:"namespace"`
	Name      string           `json:"name"`
	Digest    sallyport.Digest `json:"digest,omitempty"`
}

// Decision is policy's decision about the intent.
type Decision struct {
	Effect   sallyport.Effect   `json:"effect"`
	Reasons  []sallyport.Reason `json:"reasons"`
	Hint     string             `json:"hint,omitempty"`
	Revision string             `json:"revision"`
}

// Plan is what the intent would change: untrusted text.
type Plan struct {
	Summary string           `json:"summary"`
	Diff    string           `json:"diff"`
	Digest  sallyport.Digest `json:"digest"`
}

// Ballot is what people vote on, with the terms of the approval.
type Ballot struct {
	Digest    sallyport.Digest          `json:"digest"`
	Groups    []string                  `json:"groups"`
	Quorum    int                       `json:"quorum"`
	Evidence  []sallyport.EvidenceClass `json:"evidence"`
	ExpiresAt time.Time                 `json:"expires_at"`
	Votes     []Vote                    `json:"votes"`
}

// Vote is a vote that counted. It leaves out the evidence itself: a token is
// for the gateway alone.
type Vote struct {
	Person   string                  `json:"person"`
	Verdict  sallyport.Verdict       `json:"verdict"`
	Evidence sallyport.EvidenceClass `json:"evidence"`
	At       time.Time               `json:"at"`
	Reason   string                  `json:"reason"`
}

// Result marks the tool's output: a reader must not take it for an
// instruction.
type Result struct {
	Untrusted bool            `json:"untrusted"` // always true
	Content   json.RawMessage `json:"content"`
}

// Failure says why the call did not succeed.
type Failure struct {
	Code    string             `json:"code"`
	Message string             `json:"message"`
	Errors  []sallyport.Field  `json:"errors,omitempty"`
	Reasons []sallyport.Reason `json:"reasons,omitempty"`
}

// Links are paths of the API, and the address of the page to vote on.
type Links struct {
	Self    string `json:"self"`
	Approve string `json:"approve,omitempty"`
	Proof   string `json:"proof"`
}
