package sallyport

import "encoding/json"

// Plan lists the changes that an intent would make.
type Plan struct {
	Summary       string          `json:"summary"`       // one line
	Diff          string          `json:"diff"`          // for humans; untrusted text
	Changes       []Change        `json:"changes"`       // for policy
	Preconditions json.RawMessage `json:"preconditions"` // the write itself enforces them; canonical (RFC 8785)
}

// Change is one value that would become another.
type Change struct {
	Path   string          `json:"path"` // JSON Pointer into the object
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
}

// Digest is over all of the plan.
func (p Plan) Digest() Digest { return PlanDigest(p.Covered()) }

// Covered are the bytes that the digest is over: the plan's JSON.
func (p Plan) Covered() []byte { return mustJSON(p) }

// PlanDigest recomputes a plan's digest from the bytes that it is over.
func PlanDigest(covered []byte) Digest { return NewDigest("sallyport/plan/v1", covered) }
