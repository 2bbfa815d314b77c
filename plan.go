package sallyport

import "encoding/json"

// Plan is what an intent would change.
type Plan struct {
	Summary       string          `json:"summary"`       // one line
	Diff          string          `json:"diff"`          // for humans; untrusted text
	Changes       []Change        `json:"changes"`       // for policy
	Preconditions json.RawMessage `json:"preconditions"` // what the write itself will enforce; canonical (RFC 8785)
}

// Change is one value that would become another.
type Change struct {
	Path   string          `json:"path"` // JSON Pointer into the object
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
}

// Digest is over all of the plan.
func (p Plan) Digest() Digest {
	return digestJSON("sallyport/plan/v1", p)
}
