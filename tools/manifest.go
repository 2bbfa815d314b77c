// Package tools is the catalogue: which tools there are, what arguments they
// take, and what each call of one means in terms of action, resource,
// namespace and name.
package tools

import (
	"encoding/json"
	"time"

	"github.com/sallyport/sallyport"
)

// Manifest describes one tool, as a YAML file does. Every field that says
// what a call means or may do is read from here, never from an agent.
type Manifest struct {
	Name        string      `yaml:"name" json:"name"`                 // [a-z0-9_]{1,64}
	Title       string      `yaml:"title" json:"title"`               // a few words for people
	Description string      `yaml:"description" json:"description"`   // for the model that decides to call it
	InputSchema any         `yaml:"input_schema" json:"input_schema"` // JSON Schema 2020-12 of the arguments
	Mapping     Mapping     `yaml:"mapping" json:"mapping"`
	Risk        Risk        `yaml:"risk" json:"risk"`
	Plan        PlanPolicy  `yaml:"plan" json:"plan"`     // "" is on_ask
	Runner      string      `yaml:"runner" json:"runner"` // which runner runs it: sandbox, kube
	Limits      Limits      `yaml:"limits" json:"limits"`
	Permissions Permissions `yaml:"permissions" json:"permissions"`
	Egress      []string    `yaml:"egress" json:"egress"` // URL prefixes that the tool may ask the broker for

	digest sallyport.Digest
	schema json.RawMessage // canonical JSON of InputSchema
}

// Digest is over the manifest's meaning: its canonical JSON with defaults
// filled in, so that neither comments nor the order of keys count.
func (m Manifest) Digest() sallyport.Digest { return m.digest }

// Schema is the JSON Schema of the arguments, as canonical JSON.
func (m Manifest) Schema() json.RawMessage { return m.schema }

// Tool is what the gateway's other parts need of the manifest.
func (m Manifest) Tool() sallyport.Tool {
	return sallyport.Tool{
		Name: m.Name, Digest: m.digest, Title: m.Title, Description: m.Description, InputSchema: m.schema,
		ReadOnly: m.Risk.ReadOnly, Destructive: m.Risk.Destructive, PlanAlways: m.Plan == PlanAlways,
		PlanNever: m.Plan == PlanNever, Runner: m.Runner, Timeout: m.Limits.Timeout,
	}
}

// Mapping says what a call means. A value is a literal, or "$.member" for a
// required top-level argument, or "$.member|literal" with a default for an
// optional one. A mapped argument must be a string that its schema restricts
// by an anchored pattern, an enum or a const, so that no policy ever sees a
// name that isn't one. Only namespace and name may be empty.
type Mapping struct {
	Action    string `yaml:"action" json:"action"`
	Resource  string `yaml:"resource" json:"resource"`
	Namespace string `yaml:"namespace" json:"namespace"`
	Name      string `yaml:"name" json:"name"`
}

// Risk is what a call of the tool can do at worst.
type Risk struct {
	ReadOnly    bool `yaml:"read_only" json:"read_only"`
	Destructive bool `yaml:"destructive" json:"destructive"`
}

// PlanPolicy says when a plan is made.
type PlanPolicy string

// The plan policies.
const (
	PlanOnAsk  PlanPolicy = "on_ask" // when policy asks for a human
	PlanAlways PlanPolicy = "always"
	PlanNever  PlanPolicy = "never" // the tool has nothing to plan
)

// Limits bound one run.
type Limits struct {
	Timeout     time.Duration `yaml:"timeout" json:"timeout"`           // 1s to 15m
	MemoryMiB   int           `yaml:"memory_mib" json:"memory_mib"`     // 64 to 4096
	Processes   int           `yaml:"processes" json:"processes"`       // 16 to 1024; threads count too
	OutputBytes int           `yaml:"output_bytes" json:"output_bytes"` // 1024 to 4194304; of the response
}

// Permissions are what the runner must lend the tool.
type Permissions struct {
	Git GitAccess `yaml:"git" json:"git"` // "" is none
}

// GitAccess to the one file that a call is about.
type GitAccess string

// The kinds of access.
const (
	GitRead  GitAccess = "read"
	GitWrite GitAccess = "write"
)
