package sallyport

import (
	"encoding/base32"
	"encoding/json"
	"strings"
	"time"
)

// Stated holds the agent's own words. Nothing is ever derived from them.
type Stated struct {
	Reason  string `json:"reason,omitempty"`
	Session string `json:"session,omitempty"`
	Task    string `json:"task,omitempty"`
}

func (s Stated) scrubbed(of Secrets) Stated {
	return Stated{Reason: of.Scrub(s.Reason), Session: of.Scrub(s.Session), Task: of.Scrub(s.Task)}
}

// Call is one request of an authenticated agent to use one tool.
type Call struct {
	ID          string          `json:"id"`
	AgentID     string          `json:"agent_id"`
	Account     Account         `json:"account"`
	Tool        string          `json:"tool"`
	Arguments   json.RawMessage `json:"arguments"` // canonical (RFC 8785)
	Stated      Stated          `json:"claimed"`
	Body        Digest          `json:"body"` // of the canonical request body: the same key with another body is another call
	ReceivedAt  time.Time       `json:"received_at"`
	TraceParent string          `json:"traceparent,omitempty"` // W3C trace context of the request
	Redact      []string        `json:"redact,omitempty"`      // JSON Pointers to arguments that are stored nowhere
	Seal        []byte          `json:"seal,omitempty"`        // random, where there are such arguments; stored nowhere either

	// Same is what a repetition of this call has too: its agent, session, tool and
	// arguments. Only calls that came without a key, and may be repeated unawares,
	// have it. Where JoinSeconds is not 0, this call is such a repetition if there is
	// another with the same Same that is open or ended no longer ago.
	Same        Digest `json:"same,omitempty"`
	JoinSeconds int    `json:"join_seconds,omitzero"`
}

// SameDigest is what repetitions of the call have in common.
func (c Call) SameDigest() Digest {
	texts, _ := json.Marshal([]string{c.AgentID, c.Stated.Session, c.Tool}) // it never fails
	return NewDigest("sallyport/same/v1", texts, c.Arguments)
}

// SignedCall is a [Call] as a compact JWS (RFC 7515) by the API. It is the
// only form in which a call travels: a client of Temporal cannot forge one.
type SignedCall string

// Redacted is the call as it may be stored. In the place of an argument that is
// left out stands a commitment to it under the call's seal, which is not stored
// either: different values have different commitments, and a reader cannot
// guess them. The agent's own words do not quote it.
func (c Call) Redacted() Call { return c.RedactedBy(c.Secrets()) }

// RedactedBy is [Call.Redacted] with the call's secrets, which cost much to make.
func (c Call) RedactedBy(s Secrets) Call {
	c.Stated = c.Stated.scrubbed(s)
	c.Arguments, c.Seal = sealed(c.Arguments, c.Redact, c.Seal), nil
	return c
}

// Secrets are the texts among the arguments that are stored nowhere.
func (c Call) Secrets() Secrets { return secretsOf(c.Arguments, c.Redact, c.Seal) }

var callIDEncoding = base32.StdEncoding.WithPadding(base32.NoPadding) //nolint:gochecknoglobals // a constant in all but form

// CallID writes 128 bits as the 26 characters of lowercase base32 (RFC 4648)
// that name a call.
func CallID(bits [16]byte) string {
	return strings.ToLower(callIDEncoding.EncodeToString(bits[:]))
}

// ValidCallID reports whether s could be the id of a call.
func ValidCallID(s string) bool {
	b, err := callIDEncoding.DecodeString(strings.ToUpper(s))
	return err == nil && len(b) == 16 && CallID([16]byte(b)) == s
}
