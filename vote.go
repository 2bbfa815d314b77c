package sallyport

import (
	"encoding/json"
	"slices"
	"time"
)

// Attestation is the API's statement that it saw an account vote. It travels as
// a compact JWS. Where it carries an ID token, the vote is verified from that
// alone, and the API vouches only for the voter's reason.
type Attestation struct {
	CallID  string      `json:"call_id"`
	Account Account     `json:"account"`
	Paper   BallotPaper `json:"paper"`
	IDToken string      `json:"id_token,omitempty"`
	At      time.Time   `json:"at"`
}

// SignedVote is a vote that an identity provider signed: an ID token
// (OpenID Connect Core 1.0, section 2) for an audience of its own, whose nonce
// is the verdict, a colon and the ballot's digest.
type SignedVote struct {
	Account    Account
	Verdict    Verdict
	Ballot     Digest
	LoggedInAt time.Time // when the person last authenticated
	IssuedAt   time.Time
	ExpiresAt  time.Time       // after which the vote is refused
	Key        json.RawMessage // the provider's public key that verified it, as a JWK (RFC 7517)
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

	// Key is the JWK that verifies an IDPSigned vote's token, for an auditor
	// who verifies it after the provider has rotated the key.
	Key json.RawMessage `json:"key,omitempty"`
}

// Refusal is a vote that did not count, and why.
type Refusal struct {
	Evidence Evidence  `json:"evidence"`
	Account  Account   `json:"account"` // if the evidence shows one
	Code     string    `json:"code"`
	Message  string    `json:"message"`
	At       time.Time `json:"at"`
}

// Tally is the count of a ballot's votes.
type Tally struct {
	People   []string // the approvers, sorted
	Approved bool     // the quorum is met, and no person rejected
	Rejected bool     // a person rejected
}

// NewTally counts votes. A vote for another ballot, out of time, of a class
// or a group that does not suffice, or a person's second one, adds nothing.
func NewTally(b Ballot, votes []Vote) Tally {
	var t Tally
	digest := b.Digest()
	seen := map[string]bool{}
	for _, v := range votes {
		if v.Ballot != digest || v.At.After(b.ExpiresAt) || seen[v.Person] || v.Person == "" ||
			!slices.Contains(b.Terms.Evidence, v.Evidence.Class) || !Overlap(b.Terms.Groups, v.Groups) {
			continue
		}
		seen[v.Person] = true
		switch v.Verdict {
		case Approve:
			t.People = append(t.People, v.Person)
		case Reject:
			t.Rejected = true
		}
	}
	slices.Sort(t.People)
	t.Approved = !t.Rejected && b.Terms.Quorum > 0 && len(t.People) >= b.Terms.Quorum
	return t
}
