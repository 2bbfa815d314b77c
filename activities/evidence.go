package activities

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/workflow"

	"github.com/sallyport/sallyport"
)

// candidate is a vote that is being weighed: its evidence, and what that shows.
type candidate struct {
	evidence sallyport.Evidence
	account  sallyport.Account
	paper    sallyport.BallotPaper
	at       time.Time
	fault    *sallyport.Error // the evidence does not hold

	idToken string // of the attestation; not verified yet

	// Of a vote that an identity provider signed.
	expires  time.Time
	loggedIn time.Time
	key      json.RawMessage // that verified it; nil for the other classes
}

// recorded reports whether this candidate has been counted before.
func (c candidate) recorded(votes []sallyport.Vote) bool {
	e := c.evidence
	if c.idToken != "" {
		e.Token = c.idToken
	}
	return slices.ContainsFunc(votes, func(v sallyport.Vote) bool { return v.Evidence == e && v.Account == c.account })
}

// candidates reads the votes that are to be counted.
func (a *Activities) candidates(ctx context.Context, callID string, in CountInput) ([]candidate, int64, error) {
	if in.Attestation != "" {
		return []candidate{a.attested(callID, in.Attestation)}, in.After, nil
	}
	run := activity.GetInfo(ctx).WorkflowExecution
	if a.Signals == nil {
		return nil, in.After, nil
	}
	signals, err := a.Signals.Signals(ctx, run.ID, run.RunID, in.After)
	if err != nil {
		return nil, 0, err
	}
	after := in.After
	candidates := make([]candidate, 0, len(signals))
	for _, s := range signals {
		candidates = append(candidates, a.signalled(s))
		after = s.EventID
	}
	return candidates, after, nil
}

// verified verifies the ID token of an attestation. Where the token does not
// hold, the attestation is refused and the token is not: an attacker with a
// copy of a token cannot void it for its voter.
func (a *Activities) verified(ctx context.Context, word candidate) (candidate, error) {
	signed, err := a.signed(ctx, word.idToken)
	if err != nil {
		return word, err
	}
	if word.fault = cmp.Or(signed.fault, a.misfit(word, signed)); word.fault != nil {
		return word, nil //nolint:nilerr // a vote that does not hold is a result
	}
	signed.paper.Reason = word.paper.Reason
	return signed, nil
}

// countLag is how long after it was handed in a vote may be counted for the
// first time. The API's attestation alone does not keep an expired token valid.
const countLag = 10 * time.Minute

// misfit says why an attestation does not go with the ID token that it carries.
func (a *Activities) misfit(word, signed candidate) *sallyport.Error {
	switch {
	case signed.account != word.account:
		return badEvidence("the ID token is of %s, and the vote was sent by %s", signed.account.Subject, word.account.Subject)
	case signed.paper.Verdict != word.paper.Verdict:
		return badEvidence("the ID token says %q, and the vote %q", signed.paper.Verdict, word.paper.Verdict)
	case signed.paper.Ballot != word.paper.Ballot:
		return badEvidence("the ID token is for ballot %s, and the vote for %s", signed.paper.Ballot, word.paper.Ballot)
	case word.at.After(signed.expires.Add(clockSkew)), a.Now().After(signed.expires.Add(countLag)):
		return badEvidence("the ID token expired at %s: log in and vote again", signed.expires.Format(time.RFC3339))
	}
	return nil
}

// signed is the candidate of a vote that an identity provider signed. An error
// says that the provider's keys are out of reach.
func (a *Activities) signed(ctx context.Context, token string) (candidate, error) {
	c := candidate{evidence: sallyport.Evidence{Class: sallyport.IDPSigned, Token: token}, at: a.Now()}
	v, err := a.Votes.VerifyVote(ctx, token)
	switch {
	case sallyport.KindOf(err) == sallyport.Unavailable:
		return c, err
	case err != nil:
		c.fault = badEvidence("%s", sallyport.AsError(err).Message)
		return c, nil
	}
	c.account, c.paper = v.Account, sallyport.BallotPaper{Verdict: v.Verdict, Ballot: v.Ballot}
	c.at, c.expires, c.loggedIn, c.key = v.IssuedAt, v.ExpiresAt, v.LoggedInAt, v.Key
	return c, nil
}

func badEvidence(format string, args ...any) *sallyport.Error {
	return sallyport.Errorf(sallyport.Denied, sallyport.CodeBadEvidence, format, args...)
}

func (a *Activities) attested(callID, token string) candidate {
	c := candidate{evidence: sallyport.Evidence{Class: sallyport.APIAttested, Token: token}, at: a.Now()}
	att, err := a.Verifier.VerifyAttestation(token)
	switch {
	case err != nil:
		c.fault = badEvidence("the API did not sign this vote")
	case att.CallID != callID:
		c.fault = badEvidence("this vote is for call %s", att.CallID)
	default:
		c.account, c.paper, c.at, c.idToken = att.Account, att.Paper, att.At, att.IDToken
	}
	if c.idToken != "" {
		c.evidence.Class = sallyport.IDPSigned
	}
	return c
}

func (a *Activities) signalled(s Signal) candidate {
	c := candidate{evidence: sallyport.Evidence{Class: sallyport.TemporalPrincipal, EventID: s.EventID}, at: s.At, paper: s.Paper}
	switch {
	case s.Principal == "" || a.PrincipalIssuer == "":
		c.fault = badEvidence("the Temporal server does not name the sender of this signal; vote with `sallyport approve` instead")
	case s.Malformed != "":
		c.account = sallyport.Account{Issuer: a.PrincipalIssuer, Subject: s.Principal}
		c.fault = sallyport.Errorf(sallyport.Invalid, sallyport.CodeBadEvidence, "the signal's payload is no vote: %s", s.Malformed)
	default:
		c.account = sallyport.Account{Issuer: a.PrincipalIssuer, Subject: s.Principal}
	}
	return c
}

// signals reads the signals of a run by event id, where some evidence is one.
func (a *Activities) signals(ctx context.Context, run workflow.Execution, evidence []sallyport.Evidence) (map[int64]Signal, error) {
	signals := map[int64]Signal{}
	if a.Signals == nil || !slices.ContainsFunc(evidence, func(e sallyport.Evidence) bool { return e.Class == sallyport.TemporalPrincipal }) {
		return signals, nil
	}
	all, err := a.Signals.Signals(ctx, run.ID, run.RunID, 0)
	for _, s := range all {
		signals[s.EventID] = s
	}
	return signals, err
}

// candidateOf verifies evidence again, each class by its own verifier.
func (a *Activities) candidateOf(ctx context.Context, callID string, e sallyport.Evidence, signals map[int64]Signal) (candidate, error) {
	switch e.Class {
	case sallyport.TemporalPrincipal:
		if s, ok := signals[e.EventID]; ok {
			return a.signalled(s), nil
		}
	case sallyport.APIAttested:
		c := a.attested(callID, e.Token)
		if c.idToken != "" { // it stands or falls with the token, which is other evidence
			c.fault = badEvidence("this attestation carries an ID token and is no vote by itself")
		}
		return c, nil
	case sallyport.IDPSigned:
		return a.signed(ctx, e.Token)
	}
	return candidate{evidence: e, fault: badEvidence("evidence %s shows no vote", e.Key())}, nil
}
