// Package intrusion is what a tool's image tries that has been taken over: the
// words between the tests, which know what there is to reach, and the program
// in the image, which tries it and tells what it reached.
package intrusion

import "time"

// Annotation is of the Deployment that a call is about. The intruder finds
// there what it is to try: a Plan as JSON.
const Annotation = "intruder.example.com/plan"

// Plan is what an intruder tries.
type Plan struct {
	Once  []Attempt `json:"once"`
	Again []Attempt `json:"again,omitempty"` // over and over, until it is killed
	// Linger is a word in the command line of a process that is left behind.
	Linger string `json:"linger,omitempty"`
}

// Attempt is one way to get at something. One of its ways is set.
type Attempt struct {
	Name    string   `json:"name"`
	API     *Request `json:"api,omitempty"`     // of the API server, with the pod's own token
	Dial    string   `json:"dial,omitempty"`    // TCP: a refused connection also shows that the address was reached
	Resolve string   `json:"resolve,omitempty"` // ask this name server, as host:port
	Local   string   `json:"local,omitempty"`   // something of the machine: see the program
	Reply   string   `json:"reply,omitempty"`   // the Job whose result it posts to the worker; "own" is the intruder's
}

// Request is one to the API server. $namespace and $account in its path stand
// for those of the token.
type Request struct {
	Method string            `json:"method"`
	Path   string            `json:"path"`
	Header map[string]string `json:"header,omitempty"`
	Body   string            `json:"body,omitempty"`
}

// Result is what became of an attempt: one line of JSON each.
type Result struct {
	Name    string    `json:"name"`
	Reached bool      `json:"reached"`
	Detail  string    `json:"detail,omitempty"`
	At      time.Time `json:"at"` // when it began
}
