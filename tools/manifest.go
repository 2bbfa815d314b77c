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
	Name        string      `yaml:"name"`         // [a-z0-9_]{1,64}
	Title       string      `yaml:"title"`        // a few words for people
	Description string      `yaml:"description"`  // for the model that decides to call it
	InputSchema any         `yaml:"input_schema"` // JSON Schema 2020-12 of the arguments
	Mapping     Mapping     `yaml:"mapping"`
	Risk        Risk        `yaml:"risk"`
	Plan        PlanPolicy  `yaml:"plan"` // "" is on_ask
	Runner      string      `yaml:"runner"` // which runner runs it: sandbox, kube
	Limits      Limits      `yaml:"limits"`
	Permissions Permissions `yaml:"permissions"`
	Egress      []string    `yaml:"egress"` // URL prefixes that the tool may ask the broker for

	digest sallyport.Digest
	schema json.RawMessage
}

// Mapping says what a call means. A value is a literal, or "$.member" for a
// top-level argument, or "$.member|literal" with a default for an optional
// one. A mapped argument must be a string.
type Mapping struct {
	Action    string `yaml:"action"`
	Resource  string `yaml:"resource"`
	Namespace string `yaml:"namespace"`
	Name      string `yaml:"name"`
}

// Risk is what a call of the tool can do at worst.
type Risk struct {
	ReadOnly    bool `yaml:"read_only"`
	Destructive bool `yaml:"destructive"`
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
	Timeout     time.Duration `yaml:"timeout"`      // 1s to 15m
	MemoryMiB   int           `yaml:"memory_mib"`   // 64 to 4096
	Processes   int           `yaml:"processes"`    // threads count too
	OutputBytes int           `yaml:"output_bytes"` // of the response
}

// Permissions are what the runner must lend the tool.
type Permissions struct {
	Git GitAccess `yaml:"git"` // "" is none
}

// GitAccess to the one file that a call is about.
type GitAccess string

// The kinds of access.
const (
	GitRead  GitAccess = "read"
	GitWrite GitAccess = "write"
)
