package sallyport

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Account is one subject of one issuer of identities. An agent has one, a
// person may have several.
type Account struct {
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
}

// Agent is an entry of the identity table.
type Agent struct {
	ID      string   `json:"id"`
	Account Account  `json:"account"`
	Owner   string   `json:"owner"` // the person who answers for it, and who may not approve for it
	Groups  []string `json:"groups"`
}

// Person is an entry of the identity table. All accounts of a person are one.
type Person struct {
	ID     string   `json:"id"`
	Groups []string `json:"groups"`
}

// Identity is who sent a request: an agent or a person, never both.
type Identity struct {
	Account Account
	Agent   *Agent
	Person  *Person
}

// Tool is what the catalogue says of a tool, as far as the gateway's other
// parts need it.
type Tool struct {
	Name        string          `json:"name"` // [a-z0-9_]{1,64}
	Digest      Digest          `json:"digest"`
	Title       string          `json:"title"`
	Description string          `json:"description"`
	InputSchema json.RawMessage `json:"input_schema"` // JSON Schema 2020-12
	ReadOnly    bool            `json:"read_only"`
	Destructive bool            `json:"destructive"`
	PlanAlways  bool            `json:"plan_always"` // plan even when nobody is asked
	PlanNever   bool            `json:"plan_never"`  // there is nothing to plan
	Runner      string          `json:"runner"`
	Timeout     time.Duration   `json:"timeout"`         // how long one run may take
	Image       string          `json:"image,omitempty"` // what runs, by digest, where the tool is an image of its own
	Redact      Redaction       `json:"redact,omitzero"` // what is stored nowhere
}

// Claims is what an agent says of itself. Nothing is ever derived from it.
type Claims struct {
	Reason  string `json:"reason,omitempty"`
	Session string `json:"session,omitempty"`
	Task    string `json:"task,omitempty"`
}

// Call is what an authenticated agent asked.
type Call struct {
	ID          string          `json:"id"`
	AgentID     string          `json:"agent_id"`
	Account     Account         `json:"account"`
	Tool        string          `json:"tool"`
	Arguments   json.RawMessage `json:"arguments"` // canonical (RFC 8785)
	Claimed     Claims          `json:"claimed"`
	Body        Digest          `json:"body"` // of the canonical request body: the same key with another body is another call
	ReceivedAt  time.Time       `json:"received_at"`
	TraceParent string          `json:"traceparent,omitempty"` // W3C trace context of the request
	Redact      []string        `json:"redact,omitempty"`      // JSON Pointers to arguments that are stored nowhere
	Seal        []byte          `json:"seal,omitempty"`        // random, where there are such arguments; stored nowhere either
}

// SignedCall is a [Call] as a compact JWS (RFC 7515) by the API. It is the
// only form in which a call travels, so that nobody who can reach Temporal
// can invent one.
type SignedCall string

// Intent is a call made precise by the catalogue.
type Intent struct {
	CallID    string          `json:"call_id"`
	Agent     Agent           `json:"agent"`
	Claimed   Claims          `json:"claimed"`
	Tool      ToolRef         `json:"tool"`
	Arguments json.RawMessage `json:"arguments"` // canonical (RFC 8785)
	Action    string          `json:"action"`
	Resource  string          `json:"resource"`
	Namespace string          `json:"namespace"`
	Name      string          `json:"name"`
	At        time.Time       `json:"at"`              // when the call was received
	Redact    Redaction       `json:"redact,omitzero"` // as the tool's manifest has it
	Seal      []byte          `json:"seal,omitempty"`  // the call's
}

// ToolRef pins the tool of an intent.
type ToolRef struct {
	Name        string `json:"name"`
	Digest      Digest `json:"digest"`
	ReadOnly    bool   `json:"read_only"`
	Destructive bool   `json:"destructive"`
	Image       string `json:"image,omitempty"` // by digest, where the tool is an image of its own
}

// Digest is over all of the intent as it may be stored, call id and agent
// included.
func (i Intent) Digest() Digest {
	return digestJSON("sallyport/intent/v1", i.Redacted())
}

// Effect is what policy wants to happen.
type Effect string

// The effects.
const (
	Allow Effect = "allow"
	Ask   Effect = "ask"
	Deny  Effect = "deny"
)

// Decision is policy's answer to an intent.
type Decision struct {
	Effect      Effect      `json:"effect"`
	Reasons     []Reason    `json:"reasons"`
	Approval    *Terms      `json:"approval,omitempty"` // set exactly when Effect is Ask
	Obligations Obligations `json:"obligations"`
	Revision    string      `json:"revision"`
	Input       Digest      `json:"input,omitempty"` // of the document that policy judged
}

// Denial is the error of a call that is not to run by this decision. It has
// the code and the message of the first reason.
func (d Decision) Denial() *Error {
	e := Errorf(Denied, "denied", "policy denied this call")
	if len(d.Reasons) > 0 {
		e.Code, e.Message = d.Reasons[0].Code, d.Reasons[0].Message
	}
	e.Reasons = d.Reasons
	return e
}

// Reason is one rule's word, by a stable code.
type Reason struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Terms say who must agree to a call, and by when.
type Terms struct {
	Groups     []string        `json:"groups"`      // an approver is in one of them
	Quorum     int             `json:"quorum"`      // how many people, at least 1
	TTLSeconds int             `json:"ttl_seconds"` // how long the ballot is open
	Evidence   []EvidenceClass `json:"evidence"`    // classes that suffice
}

// Equal reports whether two terms demand the same.
func (t Terms) Equal(u Terms) bool {
	return slices.Equal(t.Groups, u.Groups) && t.Quorum == u.Quorum && t.TTLSeconds == u.TTLSeconds &&
		slices.Equal(t.Evidence, u.Evidence)
}

// Obligations are what policy demands of a run that it lets happen.
type Obligations struct {
	TimeoutSeconds int      `json:"timeout_seconds,omitempty"` // shortens the tool's own limit
	Redact         []string `json:"redact,omitempty"`          // JSON Pointers into the result, for what is stored of it and answered
	SignedImage    bool     `json:"signed_image,omitempty"`    // a tool that is an image of its own must be signed by one of the operators' keys
}

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

// Start says that a run is about to act.
type Start struct {
	Intent   Digest   `json:"intent"`
	Plan     Digest   `json:"plan,omitempty"`
	Ballot   Digest   `json:"ballot,omitempty"`
	People   []string `json:"people,omitempty"` // who approved
	Effect   Effect   `json:"effect"`
	Revision string   `json:"revision"` // of the policy that agreed
	Runner   string   `json:"runner"`
	Image    string   `json:"image,omitempty"` // what runs, by digest
	Place    string   `json:"place,omitempty"` // where it will run, as far as that is known before
}

// Placement is where a run found its place.
type Placement struct {
	Place string `json:"place"`           // such as a Job's namespace and name
	UID   string `json:"uid"`             // Kubernetes's, of the Job
	Image string `json:"image,omitempty"` // by digest
}

// Drift says that a call is not any more what was recorded or agreed to.
type Drift struct {
	Message string `json:"message"` // how it differs
}

// Stop is somebody's wish that a call end, wherever it is.
type Stop struct {
	By     string `json:"by"`               // the agent or the person
	Freeze string `json:"freeze,omitempty"` // id of the freeze that wants it
	Reason string `json:"reason,omitempty"`
}

// Erasure says who had a call's contents erased, and why.
type Erasure struct {
	By     string `json:"by"`
	Reason string `json:"reason"`
}

// State is where a call stands.
type State string

// The states. All but the first three are final.
const (
	Pending          State = "pending"
	AwaitingApproval State = "awaiting_approval"
	Running          State = "running"
	Succeeded        State = "succeeded" // it ran
	Failed           State = "failed"    // it ran, and the tool failed
	Ambiguous        State = "ambiguous" // it ran, and nobody knows how far
	Malformed        State = "invalid"   // it never ran, like all that follow
	Refused          State = "denied"
	Rejected         State = "rejected"
	Expired          State = "expired"
	Cancelled        State = "cancelled"
)

// States lists every state.
func States() []State {
	return []State{Pending, AwaitingApproval, Running, Succeeded, Failed, Ambiguous, Malformed, Refused, Rejected, Expired, Cancelled}
}

// Final reports whether a call in this state has ended.
func (s State) Final() bool { return s.Ran() || s.NeverRan() }

// Ran reports whether this is the end of a call that started to run.
func (s State) Ran() bool { return s == Succeeded || s == Failed || s == Ambiguous }

// NeverRan reports whether this is the end of a call that did not run.
func (s State) NeverRan() bool {
	switch s {
	case Malformed, Refused, Rejected, Expired, Cancelled:
		return true
	default:
		return false
	}
}

// Outcome is how a call ended.
type Outcome struct {
	State      State           `json:"state"`            // final
	Result     json.RawMessage `json:"result,omitempty"` // the tool's output; untrusted
	Error      *Failure        `json:"error,omitempty"`
	Reference  string          `json:"reference,omitempty"` // what the effect can be found by: a commit, an object's uid
	Place      string          `json:"place,omitempty"`     // where it ran
	StartedAt  time.Time       `json:"started_at,omitzero"`
	FinishedAt time.Time       `json:"finished_at"`
}

// Failure says why a call did not succeed.
type Failure struct {
	Code    string   `json:"code"`
	Message string   `json:"message"` // may quote the tool: untrusted text
	Fields  []Field  `json:"fields,omitempty"`
	Reasons []Reason `json:"reasons,omitempty"`
}

// Receipt proves where in the ledger an entry stands.
type Receipt struct {
	Index    int64 // of the leaf in the tree, from 0
	Number   int   // of the leaf within its call, from 0
	Leaf     Digest
	Repeated bool  // the entry was there already
	Entry    Entry // as it stands in the ledger; where Repeated, it governs
}

// digestJSON hashes v's JSON as encoding/json writes it: struct fields in
// declared order, no insignificant space, raw messages compacted.
func digestJSON(domain string, v any) Digest {
	return NewDigest(domain, mustJSON(v))
}

// mustJSON marshals this package's own types. Only a raw message that is not
// JSON can fail, which the intake rules out; what it yields then is not JSON
// either, so that it hashes like nothing that could be decoded.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Appendf(nil, "!%+v", v)
	}
	return b
}
