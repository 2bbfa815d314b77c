package sallyport

import (
	"encoding/json"
	"time"
)

// Tool is what the gateway's other parts need of a tool's manifest.
type Tool struct {
	Name        string          `json:"name"` // [a-z0-9_]{1,64}
	Digest      Digest          `json:"digest"`
	Title       string          `json:"title"`
	Description string          `json:"description"`
	InputSchema json.RawMessage `json:"input_schema"` // JSON Schema 2020-12
	ReadOnly    bool            `json:"read_only"`
	Destructive bool            `json:"destructive"`
	PlanAlways  bool            `json:"plan_always"` // plan even where policy asks no approver
	PlanNever   bool            `json:"plan_never"`  // never plan
	Runner      string          `json:"runner"`
	Timeout     time.Duration   `json:"timeout"`         // how long one run may take
	Image       string          `json:"image,omitempty"` // by digest, where the tool is an image of its own
	Redact      Redaction       `json:"redact,omitzero"` // stored nowhere
}
