package activities

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/workflow"

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
// with an event id above after, in order. What a signal says and who sent it
// come from the same event.
type Signals interface {
	Signals(ctx context.Context, workflowID, runID string, after int64) ([]Signal, error)
}

// CountInput says which votes to look at: the one attested in Attestation,
// or, where that is empty, those signalled after the event After.
type CountInput struct {
	Call        sallyport.SignedCall `json:"call"`
	Attestation string               `json:"attestation,omitempty"`
	After       int64                `json:"after,omitempty"`
}

// Counted is what became of the votes that were looked at.
type Counted struct {
	Votes    []sallyport.Vote    `json:"votes,omitempty"`
	Refusals []sallyport.Refusal `json:"refusals,omitempty"`
	After    int64               `json:"after"` // the last event looked at
}

// claim is a vote with what its evidence establishes.
type claim struct {
	evidence sallyport.Evidence
	account  sallyport.Account
	paper    sallyport.BallotPaper
	at       time.Time
	fault    *sallyport.Error // the evidence does not hold
}

// Count judges votes and records each as counted or refused.
func (a *Activities) Count(ctx context.Context, in CountInput) (c Counted, err error) {
	done := a.step(ctx, "count")
	defer func() { done(err); err = forTemporal(err) }()
	call, err := a.open(ctx, in.Call)
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
	claims, after, err := a.claims(ctx, call.ID, in)
	if err != nil {
		return c, err
	}
	c.After = after
	for _, cl := range claims {
		if err := a.count(ctx, s, &rec, cl, &c); err != nil {
			return Counted{}, err
		}
	}
	return c, nil
}

// claims reads the evidence that is to be looked at.
func (a *Activities) claims(ctx context.Context, callID string, in CountInput) ([]claim, int64, error) {
	if in.Attestation != "" {
		return []claim{a.attested(callID, in.Attestation)}, in.After, nil
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
	claims := make([]claim, 0, len(signals))
	for _, s := range signals {
		claims = append(claims, a.signalled(s))
		after = s.EventID
	}
	return claims, after, nil
}

func (a *Activities) attested(callID, token string) claim {
	c := claim{evidence: sallyport.Evidence{Class: sallyport.APIAttested, Token: token}, at: a.Now()}
	att, err := a.Verifier.VerifyAttestation(token)
	switch {
	case err != nil:
		c.fault = sallyport.Errorf(sallyport.Denied, "bad_evidence", "the API did not sign this vote")
	case att.CallID != callID:
		c.fault = sallyport.Errorf(sallyport.Denied, "bad_evidence", "this vote is for call %s", att.CallID)
	default:
		c.account, c.paper, c.at = att.Account, att.Paper, att.At
	}
	return c
}

func (a *Activities) signalled(s Signal) claim {
	c := claim{evidence: sallyport.Evidence{Class: sallyport.TemporalPrincipal, EventID: s.EventID}, at: s.At, paper: s.Paper}
	switch {
	case s.Principal == "" || a.PrincipalIssuer == "":
		c.fault = sallyport.Errorf(sallyport.Denied, "bad_evidence",
			"the Temporal server does not say who sent this signal; vote with `sallyport approve` instead")
	case s.Malformed != "":
		c.account = sallyport.Account{Issuer: a.PrincipalIssuer, Subject: s.Principal}
		c.fault = sallyport.Errorf(sallyport.Invalid, "bad_evidence", "the signal's payload is no vote: %s", s.Malformed)
	default:
		c.account = sallyport.Account{Issuer: a.PrincipalIssuer, Subject: s.Principal}
	}
	return c
}

// count judges one claim, records it, and adds it to what was counted. What
// the ledger holds already governs.
func (a *Activities) count(ctx context.Context, s subject, rec *sallyport.Record, cl claim, c *Counted) error {
	run := activity.GetInfo(ctx).WorkflowExecution.RunID
	e := sallyport.Entry{CallID: s.call.ID, Key: run + "/" + cl.evidence.Key(), At: a.Now()}
	vote, refused := a.weigh(ctx, s, *rec, run, cl)
	if refused != nil {
		if refused.Kind == sallyport.Unavailable {
			return refused
		}
		e.Kind = sallyport.EntryRefusal
		e.Refusal = refusalOf(cl, refused)
	} else {
		e.Kind, e.Vote = sallyport.EntryVote, &vote
	}
	if i := slices.IndexFunc(rec.Votes, func(v sallyport.Vote) bool { return v.Evidence == cl.evidence }); i >= 0 {
		e.Kind, e.Vote, e.Refusal = sallyport.EntryVote, &rec.Votes[i], nil // a retry of this very count
	}
	r, err := a.Ledger.Record(ctx, e)
	if sallyport.KindOf(err) == sallyport.Conflict { // the call went on while the vote was weighed
		e.Kind, e.Vote = sallyport.EntryRefusal, nil
		e.Refusal = refusalOf(cl, sallyport.Errorf(sallyport.Denied, "not_waiting", "%s", sallyport.AsError(err).Message))
		r, err = a.Ledger.Record(ctx, e)
	}
	if err != nil {
		return err
	}
	if r.Entry.Kind == sallyport.EntryVote {
		c.Votes = append(c.Votes, *r.Entry.Vote)
		if !r.Repeated {
			rec.Votes = append(rec.Votes, *r.Entry.Vote)
		}
		return nil
	}
	c.Refusals = append(c.Refusals, *r.Entry.Refusal)
	return nil
}

// refusalOf records why a claim does not count. A token is not kept: the
// entry's key names it, and anybody may send as many as he likes.
func refusalOf(cl claim, why *sallyport.Error) *sallyport.Refusal {
	cl.evidence.Token = ""
	return &sallyport.Refusal{Evidence: cl.evidence, Account: cl.account, Code: why.Code, Message: why.Message, At: cl.at}
}

// weigh holds one claim against the open ballot.
func (a *Activities) weigh(ctx context.Context, s subject, rec sallyport.Record, run string, cl claim) (sallyport.Vote, *sallyport.Error) {
	deny := func(code, format string, args ...any) (sallyport.Vote, *sallyport.Error) {
		return sallyport.Vote{}, sallyport.Errorf(sallyport.Denied, code, format, args...)
	}
	b := rec.Ballot
	if cl.fault != nil {
		return sallyport.Vote{}, cl.fault
	}
	person, err := a.Directory.Person(cl.account)
	if err != nil {
		return deny("not_a_person", "%s is not a person in the identity table", cl.account.Subject)
	}
	switch {
	case b == nil || rec.State.Final() || rec.Start != nil || decided(*b, rec.Votes):
		return deny("not_waiting", "call %s does not wait for votes", s.call.ID)
	case cl.paper.Ballot != b.Digest() || b.RunID != run:
		return deny("other_ballot", "this vote names another ballot; the open one is %s", b.Digest())
	case cl.paper.Verdict != sallyport.Approve && cl.paper.Verdict != sallyport.Reject:
		return deny("bad_evidence", "the verdict must be %q or %q", sallyport.Approve, sallyport.Reject)
	case len(cl.paper.Reason) > maxReason:
		return deny("bad_evidence", "the reason is longer than %d bytes", maxReason)
	case cl.at.Before(b.OpenedAt.Add(-clockSkew)) || cl.at.After(b.ExpiresAt):
		return deny("not_waiting", "the ballot was open until %s", b.ExpiresAt.Format(time.RFC3339))
	case person.ID == s.intent.Agent.Owner:
		return deny("own_agent", "%s answers for the agent %s and may not vote on its calls", person.ID, s.intent.Agent.ID)
	case slices.ContainsFunc(rec.Votes, func(v sallyport.Vote) bool { return v.Person == person.ID }):
		return deny("already_voted", "%s has voted on this ballot", person.ID)
	case !slices.Contains(b.Terms.Evidence, cl.evidence.Class):
		return deny("evidence_too_weak", "policy does not accept votes by %s here", cl.evidence.Class)
	case !sallyport.Overlap(b.Terms.Groups, person.Groups):
		return deny("not_eligible", "%s is in none of the groups %v", person.ID, b.Terms.Groups)
	}
	reasons, err := a.Policy.DecideVote(ctx, sallyport.VoteQuestion{Person: person, Evidence: cl.evidence.Class, Intent: s.intent, Decision: *rec.Decision})
	switch {
	case sallyport.KindOf(err) == sallyport.Unavailable:
		return sallyport.Vote{}, sallyport.AsError(err)
	case err != nil:
		return deny("not_eligible", "policy could not decide on this vote")
	case len(reasons) > 0:
		return deny(reasons[0].Code, "%s", reasons[0].Message)
	}
	return sallyport.Vote{
		Ballot: b.Digest(), Person: person.ID, Groups: person.Groups, Account: cl.account, Verdict: cl.paper.Verdict,
		Reason: cl.paper.Reason, Evidence: cl.evidence, At: cl.at,
	}, nil
}

func decided(b sallyport.Ballot, votes []sallyport.Vote) bool {
	t := sallyport.NewTally(b, votes)
	return t.Approved || t.Rejected
}

// clockSkew is how far the clocks of the API, the Temporal server and the
// worker may differ.
const clockSkew = 5 * time.Second

// maxReason bounds what a voter may write, in bytes.
const maxReason = 2000

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

// recount establishes votes from their evidence once more, now. It records
// nothing, and refuses the run where one of them no longer holds.
func (a *Activities) recount(ctx context.Context, s subject, rec sallyport.Record, evidence []sallyport.Evidence) ([]sallyport.Vote, error) {
	if sallyport.NewTally(*rec.Ballot, rec.Votes).Rejected { // whoever names the evidence can't leave out a no
		return nil, sallyport.Errorf(sallyport.Denied, "rejected", "the ledger holds a vote against this call")
	}
	run := activity.GetInfo(ctx).WorkflowExecution
	signals, err := a.signals(ctx, run, evidence)
	if err != nil {
		return nil, err
	}
	rec.Votes, rec.State, rec.Start = nil, sallyport.AwaitingApproval, nil
	seen := map[string]bool{}
	for _, e := range evidence {
		if seen[e.Key()] { // whoever starts a run may say it twice
			continue
		}
		seen[e.Key()] = true
		cl := claim{evidence: e, fault: sallyport.Errorf(sallyport.Denied, "bad_evidence", "evidence %s shows no vote", e.Key())}
		if sig, ok := signals[e.EventID]; ok && e.Class == sallyport.TemporalPrincipal {
			cl = a.signalled(sig)
		} else if e.Class == sallyport.APIAttested {
			cl = a.attested(s.call.ID, e.Token)
		}
		v, refused := a.weigh(ctx, s, rec, run.RunID, cl)
		if refused != nil {
			return nil, fmt.Errorf("a vote does not hold any more: %w", refused)
		}
		rec.Votes = append(rec.Votes, v)
	}
	return rec.Votes, nil
}
