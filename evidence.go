package sallyport

import "fmt"

// EvidenceClass says how a vote is verified, and so against whom it holds.
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
	// APIAttested is the API's signed attestation that it saw this person vote. It
	// holds against agents and Temporal clients.
	APIAttested EvidenceClass = "api-attested"
)

// EvidenceClasses lists every class. A class that is added here needs a
// verifier wherever a switch over classes asks for one; the linter exhaustive
// names them, and tests compare the policies, the API's document and the
// manual with this list.
func EvidenceClasses() []EvidenceClass {
	return []EvidenceClass{TemporalPrincipal, IDPSigned, APIAttested}
}

// Evidence is what a vote is verified from. It is not verified yet.
type Evidence struct {
	Class   EvidenceClass `json:"class"`
	EventID int64         `json:"event_id,omitempty"` // of the signal, for TemporalPrincipal
	Token   string        `json:"token,omitempty"`    // a compact JWS, for the other classes
}

// Key names the evidence within its call and run.
func (e Evidence) Key() string {
	switch e.Class {
	case TemporalPrincipal:
		return fmt.Sprintf("event/%d", e.EventID)
	case IDPSigned, APIAttested: // a token each
	}
	return "token/" + string(NewDigest("sallyport/evidence/v1", []byte(e.Token)))
}
