package sallyport

import (
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
// compact JWS.
type Attestation struct {
	CallID  string      `json:"call_id"`
	Account Account     `json:"account"`
	Paper   BallotPaper `json:"paper"`
	At      time.Time   `json:"at"`
}

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
}

// Refusal is a vote that did not count, and why.
type Refusal struct {
	Evidence Evidence  `json:"evidence"`
	Account  Account   `json:"account"` // as far as it could be established
	Code     string    `json:"code"`
	Message  string    `json:"message"`
	At       time.Time `json:"at"`
}
