package sallyport

import "time"

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

// Digest identifies the ballot in a vote: it is over call id, nonce, intent, plan
// and terms.
func (b Ballot) Digest() Digest { return b.Covered().Digest() }

// Covered are the parts that the digest is over.
func (b Ballot) Covered() BallotParts {
	return BallotParts{CallID: b.CallID, Nonce: b.Nonce, Intent: b.Intent, Plan: b.Plan, Terms: string(mustJSON(b.Terms))}
}

// BallotParts are the parts of a ballot's digest, each with the very bytes that
// are hashed. A voter's own program recomputes the digest from them.
type BallotParts struct {
	CallID string `json:"call_id"`
	Nonce  string `json:"nonce"`
	Intent Digest `json:"intent"`
	Plan   Digest `json:"plan"`  // empty where the tool plans nothing
	Terms  string `json:"terms"` // their JSON
}

// Digest is that of the ballot.
func (p BallotParts) Digest() Digest {
	return NewDigest("sallyport/ballot/v1", []byte(p.CallID), []byte(p.Nonce), []byte(p.Intent), []byte(p.Plan), []byte(p.Terms))
}

// Verdict is a person's yes or no.
type Verdict string

// The verdicts.
const (
	Approve Verdict = "approve"
	Reject  Verdict = "reject"
)

// BallotPaper is a voter's own text, in a signal or a request. It proves nothing
// by itself.
type BallotPaper struct {
	Verdict Verdict `json:"verdict"`
	Ballot  Digest  `json:"ballot"`
	Reason  string  `json:"reason,omitempty"`
}

// VoteNonce is the nonce of an ID token that votes.
func VoteNonce(v Verdict, ballot Digest) string { return string(v) + ":" + string(ballot) }
