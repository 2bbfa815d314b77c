// Package wire is the contract between a runner and the executor in its sandbox
// or pod. It is apart from the catalogue so that the executor, which starts once
// per run, links and initialises as little as possible.
package wire

import (
	"encoding/json"
	"time"

	"github.com/sallyport/sallyport"
)

// The executor reads one Request as JSON from its standard input, writes one
// Response as JSON to its standard output, and exits with 0 once the response
// is complete. Its only other channel is the broker's file descriptor
// ([BrokerFD]), on which it writes a BrokerRequest as one line of JSON and
// reads a BrokerResponse as one line of JSON, one after the other.

// Mode is the task of the executor.
type Mode string

// The modes. Planning and reconciling change nothing.
const (
	ModePlan      Mode = "plan"
	ModeRun       Mode = "run"
	ModeReconcile Mode = "reconcile" // find out whether the intent's effect happened
)

// BrokerFD is the executor's file descriptor of the broker.
const BrokerFD = 3

// Request is a runner's request to the executor.
type Request struct {
	Mode        Mode              `json:"mode"`
	Intent      sallyport.Intent  `json:"intent"`
	Plan        *sallyport.Plan   `json:"plan,omitempty"`       // the approved plan; its preconditions must hold
	Files       map[string][]byte `json:"files,omitempty"`      // what the tool may read, by slash-separated path
	Namespaces  []string          `json:"namespaces,omitempty"` // that the object in the file may be of; none is the intent's alone
	TraceParent string            `json:"traceparent,omitempty"`
	Expires     time.Time         `json:"expires,omitzero"` // a write must not begin later
	// Annotations are those that the operators let manifests set, beside the
	// tool's own: keys, and prefixes that end with a slash.
	Annotations []string `json:"annotations,omitempty"`
}

// Response is the executor's response. Exactly one of Error, Plan (when
// planning) and Result (when running or reconciling) is set; Patch goes with a
// Result and asks the broker to write one file. Reference goes with the Result
// of a tool that writes by itself, and Unknown with the Error of one that
// can't tell whether it wrote. An Error has the code [sallyport.CodeNotSeen] where
// the target of ModeReconcile doesn't show the call's effect, and
// [sallyport.CodeNotBegun] where another pod holds the Lease: nothing was done.
type Response struct {
	Result    json.RawMessage    `json:"result,omitempty"`
	Plan      *sallyport.Plan    `json:"plan,omitempty"`
	Patch     *Patch             `json:"patch,omitempty"`
	Error     *sallyport.Failure `json:"error,omitempty"`
	Reference string             `json:"reference,omitempty"` // identifies the effect: the object's uid
	Unknown   bool               `json:"unknown,omitempty"`
}

// Patch replaces one file of those that the request gave.
type Patch struct {
	Path    string `json:"path"`
	Content []byte `json:"content"`
}

// BrokerRequest asks for one HTTP request. The broker refuses a URL that the
// manifest's egress does not list.
type BrokerRequest struct {
	Method string `json:"method"`
	URL    string `json:"url"`
}

// BrokerResponse is the broker's response.
type BrokerResponse struct {
	Status     int               `json:"status,omitempty"`
	Header     map[string]string `json:"header,omitempty"`
	Body       []byte            `json:"body,omitempty"` // at most 64 KiB
	Truncated  bool              `json:"truncated,omitempty"`
	DurationMS int64             `json:"duration_ms"`
	Error      string            `json:"error,omitempty"`
}
