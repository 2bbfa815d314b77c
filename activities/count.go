package activities

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/sallyport/sallyport"
)

// Signal is one vote as it stands in a workflow's history.
type Signal struct {
	EventID   int64
	At        time.Time
	Principal string // the subject that the server computed; "" where it computed none
	Paper     sallyport.BallotPaper
	Malformed string // why the payload is no ballot paper, or ""
}

// Signals reads the approve signals of a workflow run from its history, those
// with an event id above after, in order. A signal's content and its sender come
// from the same event.
type Signals interface {
	Signals(ctx context.Context, workflowID, runID string, after int64) ([]Signal, error)
}

// CountInput says which votes to count: the one attested in Attestation, or,
// where that is empty, those signalled after the event After.
type CountInput struct {
	Call        sallyport.SignedCall `json:"call"`
	Attestation string               `json:"attestation,omitempty"`
	After       int64                `json:"after,omitempty"`
}

// Counted says which votes count and which were refused.
type Counted struct {
	Votes    []sallyport.Vote    `json:"votes,omitempty"` // all that the ballot has by now
	Refusals []sallyport.Refusal `json:"refusals,omitempty"`
	After    int64               `json:"after"` // the last event looked at
}

// Count verifies votes and records each as a vote or as a refusal.
func (a *Activities) Count(ctx context.Context, in CountInput) (c Counted, err error) {
	done := a.step(ctx, "count")
	var call sallyport.Call
	defer func() { done(err); err = forTemporal(call, err) }()
	call, err = a.open(ctx, in.Call)
	if err != nil {
		return c, err
	}
	s, err := a.resolve(ctx, call)
	if err != nil {
		return c, err
	}
	rec, err := a.Ledger.Call(ctx, call.ID)
	if err != nil {
		return c, err
	}
	candidates, after, err := a.candidates(ctx, call.ID, in)
	if err != nil {
		return c, err
	}
	c.After = after
	for _, cand := range candidates {
		if err := a.count(ctx, s, &rec, cand, &c); err != nil {
			return Counted{}, err
		}
	}
	if rec.Ballot != nil && rec.Ballot.RunID == activity.GetInfo(ctx).WorkflowExecution.RunID {
		c.Votes = rec.Votes
	}
	return c, nil
}

// count verifies one candidate, records it, and adds it to c. Where the ledger
// already has an entry for it, that one counts.
func (a *Activities) count(ctx context.Context, s subject, rec *sallyport.Record, cand candidate, c *Counted) error {
	if cand.recorded(rec.Votes) { // this is a retry of that count
		return nil
	}
	run := activity.GetInfo(ctx).WorkflowExecution.RunID
	cand, vote, refused := a.establish(ctx, s, *rec, run, cand)
	e := sallyport.Entry{CallID: s.call.ID, Kind: sallyport.EntryVote, Key: run + "/" + cand.evidence.Key(), At: a.Now(), Vote: &vote}
	if refused != nil {
		if refused.Kind == sallyport.Unavailable {
			return refused
		}
		e.Kind, e.Vote, e.Refusal = sallyport.EntryRefusal, nil, refusalOf(cand, refused)
	}
	r, err := a.record(ctx, s.redactor(), e)
	if sallyport.KindOf(err) == sallyport.Conflict { // the call went on while the vote was weighed
		e.Kind, e.Vote = sallyport.EntryRefusal, nil
		e.Refusal = refusalOf(cand, sallyport.Errorf(sallyport.Denied, sallyport.CodeNotWaiting, "%s", sallyport.AsError(err).Message))
		r, err = a.record(ctx, s.redactor(), e)
	}
	switch {
	case err != nil:
		return err
	case r.Entry.Kind == sallyport.EntryRefusal:
		c.Refusals = append(c.Refusals, *r.Entry.Refusal)
	default: // also where an attempt that was given up came first after all
		rec.Votes = append(rec.Votes, *r.Entry.Vote)
	}
	return nil
}

// establish weighs a candidate, and verifies the ID token that it carries only
// if the vote would count: a person who may not vote cannot make the worker
// fetch keys. It returns the candidate to record.
func (a *Activities) establish(ctx context.Context, s subject, rec sallyport.Record, run string, cand candidate) (candidate, sallyport.Vote, *sallyport.Error) {
	vote, refused := a.weigh(ctx, s, rec, run, cand)
	if refused != nil || cand.idToken == "" {
		return cand, vote, refused
	}
	signed, err := a.verified(ctx, cand)
	if err != nil {
		return cand, vote, sallyport.AsError(err)
	}
	if vote, refused = a.weigh(ctx, s, rec, run, signed); refused != nil {
		return cand, vote, refused
	}
	return signed, vote, nil
}

// refusalOf says why a candidate does not count. It leaves the token out: the
// entry's key names it, and a caller can send any number of them.
func refusalOf(cand candidate, why *sallyport.Error) *sallyport.Refusal {
	cand.evidence.Token = ""
	return &sallyport.Refusal{Evidence: cand.evidence, Account: cand.account, Code: why.Code, Message: why.Message, At: cand.at}
}

// weigh checks one candidate against the open ballot, the person and policy.
func (a *Activities) weigh(ctx context.Context, s subject, rec sallyport.Record, run string, cand candidate) (sallyport.Vote, *sallyport.Error) {
	deny := func(code, format string, args ...any) (sallyport.Vote, *sallyport.Error) {
		return sallyport.Vote{}, sallyport.Errorf(sallyport.Denied, code, format, args...)
	}
	b := rec.Ballot
	if cand.fault != nil {
		return sallyport.Vote{}, cand.fault
	}
	person, err := a.Directory.Person(cand.account)
	if err != nil {
		return deny(sallyport.CodeNotAPerson, "%s is not a person in the identity table", cand.account.Subject)
	}
	switch {
	case b == nil || rec.State.Final() || rec.Start != nil || decided(*b, rec.Votes):
		return deny(sallyport.CodeNotWaiting, "call %s does not wait for votes", s.call.ID)
	case cand.paper.Ballot != b.Digest() || b.RunID != run:
		return deny(sallyport.CodeOtherBallot, "this vote names another ballot; the open one is %s", b.Digest())
	case cand.paper.Verdict != sallyport.Approve && cand.paper.Verdict != sallyport.Reject:
		return deny(sallyport.CodeBadEvidence, "the verdict must be %q or %q", sallyport.Approve, sallyport.Reject)
	case len(cand.paper.Reason) > maxReason:
		return deny(sallyport.CodeBadEvidence, "the reason is longer than %d bytes", maxReason)
	case cand.evidence.Class == sallyport.APIAttested && s.call.Secrets().Scrub(cand.paper.Reason) != cand.paper.Reason:
		// The evidence is kept, and has the reason in it.
		return deny(sallyport.CodeBadEvidence, "the reason quotes an argument that the tool's manifest redacts: vote without the quote")
	case cand.at.Before(b.OpenedAt.Add(-clockSkew)) || cand.at.After(b.ExpiresAt):
		return deny(sallyport.CodeNotWaiting, "the ballot was open until %s", b.ExpiresAt.Format(time.RFC3339))
	case cand.key != nil && cand.loggedIn.Before(b.OpenedAt.Add(-clockSkew)):
		return deny(sallyport.CodeBadEvidence, "%s logged in before the ballot was opened, at %s: log in for this vote", person.ID, cand.loggedIn.Format(time.RFC3339))
	case person.ID == s.intent.Agent.Owner:
		return deny(sallyport.CodeOwnAgent, "%s owns the agent %s and may not vote on its calls", person.ID, s.intent.Agent.ID)
	case slices.ContainsFunc(rec.Votes, func(v sallyport.Vote) bool { return v.Person == person.ID }):
		return deny(sallyport.CodeAlreadyVoted, "%s has voted on this ballot", person.ID)
	case !slices.Contains(b.Terms.Evidence, cand.evidence.Class):
		return deny(sallyport.CodeEvidenceTooWeak, "policy does not accept votes by %s here", cand.evidence.Class)
	case !sallyport.Overlap(b.Terms.Groups, person.Groups):
		return deny(sallyport.CodeNotEligible, "%s is in none of the groups %v", person.ID, b.Terms.Groups)
	}
	reasons, err := a.Policy.DecideVote(ctx, sallyport.VoteQuestion{Person: person, Evidence: cand.evidence.Class, Intent: s.intent, Decision: *rec.Decision})
	switch {
	case sallyport.KindOf(err) == sallyport.Unavailable:
		return sallyport.Vote{}, sallyport.AsError(err)
	case err != nil:
		return deny(sallyport.CodeNotEligible, "policy could not decide on this vote")
	case len(reasons) > 0:
		return deny(reasons[0].Code, "%s", reasons[0].Message)
	}
	return sallyport.Vote{
		Ballot: b.Digest(), Person: person.ID, Groups: person.Groups, Account: cand.account, Verdict: cand.paper.Verdict,
		Reason: cand.paper.Reason, Evidence: cand.evidence, At: cand.at, Key: cand.key,
	}, nil
}

func decided(b sallyport.Ballot, votes []sallyport.Vote) bool {
	t := sallyport.NewTally(b, votes)
	return t.Approved || t.Rejected
}

// clockSkew is how far the clocks of the API, the Temporal server and the
// worker may differ.
const clockSkew = 5 * time.Second

// maxReason bounds a vote's reason, in bytes.
const maxReason = 2000

// recount verifies votes from their evidence once more, now. It records
// nothing, and refuses the run where one of them no longer holds.
func (a *Activities) recount(ctx context.Context, s subject, rec sallyport.Record, evidence []sallyport.Evidence) ([]sallyport.Vote, error) {
	if sallyport.NewTally(*rec.Ballot, rec.Votes).Rejected { // the caller of the run cannot leave out a rejection
		return nil, sallyport.Errorf(sallyport.Denied, sallyport.CodeRejected, "the ledger holds a vote against this call")
	}
	run := activity.GetInfo(ctx).WorkflowExecution
	signals, err := a.signals(ctx, run, evidence)
	if err != nil {
		return nil, err
	}
	recorded := rec.Votes
	rec.Votes, rec.State, rec.Start = nil, sallyport.StateAwaitingApproval, nil
	seen := map[string]bool{}
	for _, e := range evidence {
		if seen[e.Key()] { // the caller of the run may name it twice
			continue
		}
		seen[e.Key()] = true
		if !slices.ContainsFunc(recorded, func(v sallyport.Vote) bool { return v.Evidence == e }) {
			return nil, badEvidence("evidence %s is of no vote that the ledger holds", e.Key())
		}
		cand, err := a.candidateOf(ctx, s.call.ID, e, signals)
		if err != nil {
			return nil, err
		}
		v, refused := a.weigh(ctx, s, rec, run.RunID, cand)
		if refused != nil {
			return nil, fmt.Errorf("a vote does not hold any more: %w", refused)
		}
		rec.Votes = append(rec.Votes, v)
	}
	return rec.Votes, nil
}
