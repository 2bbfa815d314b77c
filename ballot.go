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
func (b Ballot) Digest() Digest {
	return NewDigest("sallyport/ballot/v1", []byte(b.CallID), []byte(b.Nonce), []byte(b.Intent), []byte(b.Plan), mustJSON(b.Terms))
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
