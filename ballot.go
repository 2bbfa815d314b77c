package sallyport

import (
	"encoding/json"
	"fmt"
	"time"
)

// Ballot is what approvers vote on. Its nonce is drawn when the wait begins,
// so that no vote fits two waits.
type Ballot struct {
	CallID    string    `json:"call_id"`
	Nonce     string    `json:"nonce"`
	Intent    Digest    `json:"intent"`
	Plan      Digest    `json:"plan,omitempty"` // empty where the tool plans nothing
	Terms     Terms     `json:"terms"`
	RunID     string    `json:"run_id"` // the workflow run that waits; votes in another run's history do not count
	OpenedAt  time.Time `json:"opened_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Digest is what a vote names: call id, nonce, intent, plan and terms.
func (b Ballot) Digest() Digest {
	return NewDigest("sallyport/ballot/v1", []byte(b.CallID), []byte(b.Nonce), []byte(b.Intent), []byte(b.Plan), mustJSON(b.Terms))
}

// Verdict is a yes or a no.
type Verdict string

// The verdicts.
const (
	Approve Verdict = "approve"
	Reject  Verdict = "reject"
)

// EvidenceClass says how a vote was established, and so against whom it holds.
type EvidenceClass string

// The evidence classes.
const (
	// TemporalPrincipal is a signal whose event carries a principal that the
	// Temporal server computed. It holds against agents, other Temporal
	// clients and the API.
	TemporalPrincipal EvidenceClass = "temporal-principal"
	// IDPSigned is an ID token whose nonce names verdict and ballot. It holds
	// against the API and Temporal too.
	IDPSigned EvidenceClass = "idp-signed"
	// APIAttested is the API's signed word that it saw this person vote. It
	// holds against agents and Temporal clients.
	APIAttested EvidenceClass = "api-attested"
)

// Evidence is what a vote is established from. It is not yet believed.
type Evidence struct {
	Class   EvidenceClass `json:"class"`
	EventID int64         `json:"event_id,omitempty"` // of the signal, for TemporalPrincipal
	Token   string        `json:"token,omitempty"`    // a compact JWS, for the other classes
}

// Key names the evidence within its call and run.
func (e Evidence) Key() string {
	if e.Class == TemporalPrincipal {
		return fmt.Sprintf("event/%d", e.EventID)
	}
	return "token/" + string(NewDigest("sallyport/evidence/v1", []byte(e.Token)))
}

// BallotPaper is what a voter writes, in a signal or a request. It proves
// nothing by itself.
type BallotPaper struct {
	Verdict Verdict `json:"verdict"`
	Ballot  Digest  `json:"ballot"`
	Reason  string  `json:"reason,omitempty"`
}

// Attestation is the API's word that it saw an account vote. It travels as a
// compact JWS. Where it carries an ID token, the vote is established from that
// alone, and the API's word is only about what the voter wrote beside it.
type Attestation struct {
	CallID  string      `json:"call_id"`
	Account Account     `json:"account"`
	Paper   BallotPaper `json:"paper"`
	IDToken string      `json:"id_token,omitempty"`
	At      time.Time   `json:"at"`
}

// SignedVote is what an identity provider signed of a vote: an ID token
// (OpenID Connect Core 1.0, section 2) for an audience of its own, whose nonce
// is the verdict, a colon and the ballot's digest.
type SignedVote struct {
	Account    Account
	Verdict    Verdict
	Ballot     Digest
	LoggedInAt time.Time // when the person did, and not merely was
	IssuedAt   time.Time
	ExpiresAt  time.Time       // after which nobody may hand it in
	Key        json.RawMessage // the provider's public key that verified it, as a JWK (RFC 7517)
}

// VoteNonce is the nonce of an ID token that votes.
func VoteNonce(v Verdict, ballot Digest) string { return string(v) + ":" + string(ballot) }

// Vote is one verified person's verdict on one ballot.
type Vote struct {
	Ballot   Digest    `json:"ballot"`
	Person   string    `json:"person"`
	Groups   []string  `json:"groups"`
	Account  Account   `json:"account"`
	Verdict  Verdict   `json:"verdict"`
	Reason   string    `json:"reason,omitempty"` // untrusted text
	Evidence Evidence  `json:"evidence"`
	At       time.Time `json:"at"`

	// Key is the JWK that an IDPSigned vote's token verifies with, for whoever
	// looks at it after the provider has forgotten the key.
	Key json.RawMessage `json:"key,omitempty"`
}

// Refusal is a vote that did not count, and why.
type Refusal struct {
	Evidence Evidence  `json:"evidence"`
	Account  Account   `json:"account"` // as far as it could be established
	Code     string    `json:"code"`
	Message  string    `json:"message"`
	At       time.Time `json:"at"`
}
