package sallyport

import "slices"

// Effect is what policy decides about an intent.
type Effect string

// The effects.
const (
	Allow Effect = "allow"
	Ask   Effect = "ask"
	Deny  Effect = "deny"
)

// Decision is what policy decides about an intent.
type Decision struct {
	Effect      Effect      `json:"effect"`
	Reasons     []Reason    `json:"reasons"`
	Hint        string      `json:"hint,omitempty"`     // what the agent could do instead, in policy's words
	Approval    *Terms      `json:"approval,omitempty"` // set exactly when Effect is Ask
	Obligations Obligations `json:"obligations"`
	Revision    string      `json:"revision"`
	Input       Digest      `json:"input,omitempty"` // of the document that policy evaluated
}

// Denial is the error of a call that this decision denies. It has the code
// and the message of the first reason.
func (d Decision) Denial() *Error {
	e := Errorf(Denied, CodeDenied, "policy denied this call")
	if len(d.Reasons) > 0 {
		e.Code, e.Message = d.Reasons[0].Code, d.Reasons[0].Message
	}
	e.Reasons = d.Reasons
	return e
}

// MaxTTLSeconds is how long a ballot may be open at most.
const MaxTTLSeconds = 7 * 24 * 60 * 60

// Terms are the conditions of an approval.
type Terms struct {
	Groups     []string        `json:"groups"`      // an approver must be in one of them
	Quorum     int             `json:"quorum"`      // how many people, at least 1
	TTLSeconds int             `json:"ttl_seconds"` // how long the ballot is open
	Evidence   []EvidenceClass `json:"evidence"`    // classes that suffice
}

// Equal reports whether two terms are the same.
func (t Terms) Equal(u Terms) bool {
	return slices.Equal(t.Groups, u.Groups) && t.Quorum == u.Quorum && t.TTLSeconds == u.TTLSeconds &&
		slices.Equal(t.Evidence, u.Evidence)
}

// Obligations are conditions that policy attaches to a run that it allows.
type Obligations struct {
	TimeoutSeconds int      `json:"timeout_seconds,omitempty"` // shortens the tool's own limit
	Redact         []string `json:"redact,omitempty"`          // JSON Pointers into the result, left out of what is stored and returned
	SignedImage    bool     `json:"signed_image,omitempty"`    // a tool that is an image of its own must be signed by one of the operators' keys
}
