package sallyport

import (
	"encoding/json"
	"time"
)

// The reserved tools: the gateway's own, by which an agent that speaks MCP looks
// at its calls. No manifest declares a tool of one of these names.
const (
	ToolGetCall    = "get_call"
	ToolCancelCall = "cancel_call"
	ToolListCalls  = "list_calls"
)

// ReasonArgument is the argument by which a model states its reason where it can
// fill nothing but a tool's schema. It is no argument of the tool, and no manifest
// has one of this name.
const ReasonArgument = "sallyport_reason"

// ReservedTools lists the reserved tools.
func ReservedTools() []string { return []string{ToolGetCall, ToolCancelCall, ToolListCalls} }

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

	ResultSchema json.RawMessage `json:"result_schema,omitempty"` // JSON Schema of an object, or nil
	Idempotent   bool            `json:"idempotent,omitzero"`     // the same call again changes nothing more
	OpenWorld    bool            `json:"open_world,omitzero"`     // it reaches servers beyond its target
}
