// Package tools is the catalogue: which tools there are, what arguments they
// take, and what each call of one means in terms of action, resource,
// namespace and name.
package tools

import (
	"encoding/json"
	"time"

	"github.com/sallyport/sallyport"
)

// Manifest describes one tool, as a YAML file does. The gateway reads the meaning
// and the permissions of a call from here, never from an agent.
type Manifest struct {
	Name        string      `yaml:"name" json:"name"`                 // [a-z0-9_]{1,64}
	Title       string      `yaml:"title" json:"title"`               // a few words for people
	Description string      `yaml:"description" json:"description"`   // for the model that decides to call it
	InputSchema any         `yaml:"input_schema" json:"input_schema"` // JSON Schema 2020-12 of the arguments
	Result      any         `yaml:"result" json:"result,omitempty"`   // JSON Schema of the result; null promises nothing
	Mapping     Mapping     `yaml:"mapping" json:"mapping"`
	Risk        Risk        `yaml:"risk" json:"risk"`
	Plan        PlanPolicy  `yaml:"plan" json:"plan"`     // "" is on_ask
	Runner      string      `yaml:"runner" json:"runner"` // which runner runs it: sandbox, kube
	Limits      Limits      `yaml:"limits" json:"limits"`
	Permissions Permissions `yaml:"permissions" json:"permissions"`
	Egress      []string    `yaml:"egress" json:"egress"`       // sandbox: URL prefixes that the tool may ask the broker for
	Container   *Container  `yaml:"container" json:"container"` // kube: the image that runs; default the executor, with a built-in tool
	Network     []Network   `yaml:"network" json:"network"`     // kube: destinations besides the API server

	Redact sallyport.Redaction `yaml:"redact" json:"redact,omitzero"` // members that are not stored

	digest sallyport.Digest
	schema json.RawMessage // canonical JSON of InputSchema
	result json.RawMessage // of Result
}

// Digest covers the manifest's meaning: its canonical JSON with defaults filled
// in, so that neither comments nor the order of keys count.
func (m Manifest) Digest() sallyport.Digest { return m.digest }

// Schema is the JSON Schema of the arguments, as canonical JSON.
func (m Manifest) Schema() json.RawMessage { return m.schema }

// Tool is the part of the manifest that the gateway's other packages need.
func (m Manifest) Tool() sallyport.Tool {
	return sallyport.Tool{
		Name: m.Name, Digest: m.digest, Title: m.Title, Description: m.Description, InputSchema: m.schema,
		ReadOnly: m.Risk.ReadOnly, Destructive: m.Risk.Destructive, PlanAlways: m.Plan == PlanAlways,
		PlanNever: m.Plan == PlanNever, Runner: m.Runner, Timeout: m.Limits.Timeout, Image: m.image(),
		Redact: m.Redact, ResultSchema: m.result, Idempotent: m.Risk.Idempotent, OpenWorld: len(m.Egress) > 0 || len(m.Network) > 0,
	}
}

// image is the tool's own image, or "" for a built-in tool.
func (m Manifest) image() string {
	if m.Container == nil {
		return ""
	}
	return m.Container.Image
}

// Mapping makes an intent of a call's arguments. A value is a literal, or
// "$.member" for a required argument ("$.object.member" within one), or
// "$.member|literal" with a default for an optional one. A mapped argument must
// be a string that its schema restricts by an anchored pattern, an enum or a
// const, so that policy never gets an invalid name. Only namespace and name may be empty.
type Mapping struct {
	Action    string `yaml:"action" json:"action"`
	Resource  string `yaml:"resource" json:"resource"`
	Namespace string `yaml:"namespace" json:"namespace"`
	Name      string `yaml:"name" json:"name"`
}

// Risk is the worst that a call of the tool can do: its blast radius.
type Risk struct {
	ReadOnly    bool `yaml:"read_only" json:"read_only"`
	Destructive bool `yaml:"destructive" json:"destructive"`
	Idempotent  bool `yaml:"idempotent" json:"idempotent,omitzero"` // the same call again changes nothing more
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

// Permissions are what the runner grants a call of the tool (least privilege).
type Permissions struct {
	Git        GitAccess        `yaml:"git" json:"git"`               // sandbox; "" is none
	Kubernetes []KubernetesRule `yaml:"kubernetes" json:"kubernetes"` // kube
}

// GitAccess is the access to the one file that a call is about.
type GitAccess string

// The kinds of access.
const (
	GitRead  GitAccess = "read"
	GitWrite GitAccess = "write"
)

// KubernetesRule is what one call may do to objects of one resource, in the
// namespace that the call is about. Nothing is granted in other namespaces.
type KubernetesRule struct {
	Group    string   `yaml:"group" json:"group"`       // API group; "" is the core one
	Resource string   `yaml:"resource" json:"resource"` // plural, with a subresource after a slash: deployments, pods/log
	Verbs    []string `yaml:"verbs" json:"verbs"`       // get, list, create, update, patch, delete
	Objects  Objects  `yaml:"objects" json:"objects"`   // "" is the one that the call is about
	For      string   `yaml:"for" json:"for"`           // only for calls whose mapped resource is this; "" is all
	When     When     `yaml:"when" json:"when"`         // "" is both planning and running
}

// Objects says which objects of a resource a rule is about.
type Objects string

// The kinds of object.
const (
	ObjectsNamed Objects = ""    // the one with the call's name
	ObjectsAll   Objects = "all" // every one in the call's namespace
)

// When says in which mode a rule holds.
type When string

// The modes. While planning, a write can only be a dry run: an admission policy of
// the cluster rejects all other writes.
const (
	WhenBoth When = ""
	WhenPlan When = "plan"
	WhenRun  When = "run"
)

// Container is an image as a tool. No shell is involved: each element of Command
// and Args is one argument of the program.
// "${argument}" in an element stands for the value of a top-level argument;
// an element that names an optional argument is left out where that is absent.
type Container struct {
	Image        string            `yaml:"image" json:"image"`                 // by digest: registry.example.com/tool@sha256:…
	Command      []string          `yaml:"command" json:"command"`             // the program; empty is the image's entrypoint
	Args         []string          `yaml:"args" json:"args"`                   // its arguments
	Env          map[string]string `yaml:"env" json:"env"`                     // literal values
	RuntimeClass string            `yaml:"runtime_class" json:"runtime_class"` // such as gvisor; "" is the cluster's default
}

// Network is a destination that a tool may connect to.
type Network struct {
	CIDR     string `yaml:"cidr" json:"cidr"`         // such as 192.0.2.0/24
	Port     int    `yaml:"port" json:"port"`         // 1 to 65535
	Protocol string `yaml:"protocol" json:"protocol"` // TCP (also if left out) or UDP
}
