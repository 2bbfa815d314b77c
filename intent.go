package sallyport

import (
	"encoding/json"
	"time"
)

// Intent is a call made precise by the catalogue.
type Intent struct {
	CallID    string          `json:"call_id"`
	Agent     Agent           `json:"agent"`
	Stated    Stated          `json:"claimed"`
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
func (i Intent) Digest() Digest { return IntentDigest(i.Covered()) }

// Covered are the bytes that the digest is over: the intent's JSON as it may be
// stored.
func (i Intent) Covered() []byte { return mustJSON(i.Redacted()) }

// IntentDigest recomputes an intent's digest from the bytes that it is over.
func IntentDigest(covered []byte) Digest { return NewDigest("sallyport/intent/v1", covered) }

// Redacted is the intent as it may be stored; see [Call.Redacted].
func (i Intent) Redacted() Intent {
	i.Stated = i.Stated.scrubbed(i.Secrets())
	i.Arguments, i.Seal = sealed(i.Arguments, i.Redact.Arguments, i.Seal), nil
	return i
}

// Secrets are those of the intent's call.
func (i Intent) Secrets() Secrets { return secretsOf(i.Arguments, i.Redact.Arguments, i.Seal) }

// isOf reports whether the intent was made from this call.
func (i Intent) isOf(c Call) bool {
	return i.CallID == c.ID && i.Agent.ID == c.AgentID && i.Agent.Account == c.Account && i.Stated == c.Stated &&
		i.Tool.Name == c.Tool && string(i.Arguments) == string(c.Arguments) && i.At.Equal(c.ReceivedAt)
}
