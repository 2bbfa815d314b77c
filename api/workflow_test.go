package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/sallyporttest"
)

// workflow plays what becomes of a call into the ledger, at once. What
// becomes of it follows from its arguments: see play.
type workflow struct {
	ledger *sallyporttest.Ledger
	clock  *clock
	down   *outages

	mu      sync.Mutex
	started map[string]int       // how often a call was handed over
	named   []string             // the tools that calls were handed over with
	during  func(id string)      // runs in Start; may be nil
	opened  func(sallyport.Call) // gets the call that was handed over; may be nil
}

func (w *workflow) Start(ctx context.Context, signed sallyport.SignedCall, call sallyport.Call) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.during != nil {
		w.during(call.ID)
	}
	if err := errors.Join(ctx.Err(), w.down.check("temporal")); err != nil {
		return err
	}
	var opened sallyport.Call
	if err := unseal(string(signed), &opened); err != nil || opened.ID != call.ID || opened.Body != call.Body {
		return sallyport.Errorf(sallyport.Denied, "bad_signature", "the call is not the one that was signed")
	}
	if w.opened != nil {
		w.opened(opened)
	}
	w.named = append(w.named, call.Tool)
	call.Tool = opened.Tool
	if w.started[call.ID]++; w.started[call.ID] == 1 {
		w.play(ctx, call)
	}
	if w.down.check("answer") != nil { // it worked, and the caller gets an error
		return errors.New("connection reset")
	}
	return nil
}

func (w *workflow) calls() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.started)
}

// play takes a call as far as it goes without a vote.
func (w *workflow) play(ctx context.Context, call sallyport.Call) {
	args := argumentsOf(call)
	if args.Name == "queued" {
		return
	}
	if failure := refusedAsMalformed(call, args); failure != nil {
		w.end(ctx, call.ID, sallyport.Outcome{State: sallyport.StateInvalid, Error: failure})
		return
	}
	owner := map[string]string{"deploy-bot": "alice", "triage-bot": "carol"}[call.AgentID]
	intent, decision := intentFor(call, args, owner), decisionFor(args)
	w.record(ctx, sallyport.Entry{CallID: call.ID, Kind: sallyport.EntryIntent, Intent: &intent})
	if f, err := w.ledger.Frozen(ctx, intent); err == nil && f != nil {
		decision = f.Decision()
		w.record(ctx, sallyport.Entry{CallID: call.ID, Kind: sallyport.EntryDecision, Decision: &decision})
		why := f.Denial()
		w.end(ctx, call.ID, sallyport.Outcome{State: sallyport.StateDenied, Error: &sallyport.Failure{Code: why.Code, Message: why.Message}})
		return
	}
	entry := sallyport.Entry{CallID: call.ID, Kind: sallyport.EntryDecision, Decision: &decision}
	if decision.Effect == sallyport.Ask {
		entry.Plan = &sallyport.Plan{Summary: "replicas 3 → 5", Diff: "-replicas: 3\n+replicas: 5 # <b>", Preconditions: json.RawMessage(`{}`)}
	}
	w.record(ctx, entry)
	switch decision.Effect {
	case sallyport.Deny:
		w.end(ctx, call.ID, sallyport.Outcome{State: sallyport.StateDenied, Error: &sallyport.Failure{Code: "denied", Message: "policy denied the call"}})
	case sallyport.Ask:
		w.ask(ctx, intent, *entry.Plan, *decision.Approval)
	case sallyport.Allow:
		w.run(ctx, intent)
	}
}

func (w *workflow) ask(ctx context.Context, i sallyport.Intent, p sallyport.Plan, terms sallyport.Terms) {
	now := w.clock.Now()
	ballot := sallyport.Ballot{
		CallID: i.CallID, Nonce: "n1", Intent: i.Digest(), Plan: p.Digest(), Terms: terms, RunID: "run-1",
		OpenedAt: now, ExpiresAt: now.Add(time.Duration(terms.TTLSeconds) * time.Second),
	}
	w.record(ctx, sallyport.Entry{CallID: i.CallID, Kind: sallyport.EntryBallot, Key: "run-1", Ballot: &ballot})
	switch i.Name {
	case "late":
		w.end(ctx, i.CallID, sallyport.Outcome{State: sallyport.StateExpired, Error: &sallyport.Failure{Code: "expired", Message: "the ballot expired without a vote"}})
	case "unwanted":
		w.count(ctx, i.CallID, "carol", sallyport.BallotPaper{Verdict: sallyport.Reject, Ballot: ballot.Digest(), Reason: "not on a Saturday"})
	}
}

func (w *workflow) run(ctx context.Context, i sallyport.Intent) {
	start := &sallyport.Start{Intent: i.Digest(), Effect: sallyport.Allow, Runner: "sandbox"}
	if r, err := w.ledger.Call(ctx, i.CallID); err == nil && r.Ballot != nil {
		start.Ballot, start.People = r.Ballot.Digest(), sallyport.NewTally(*r.Ballot, r.Votes).People
	}
	w.record(ctx, sallyport.Entry{CallID: i.CallID, Kind: sallyport.EntryStart, Start: start})
	switch i.Name {
	case "slow":
	case "flaky":
		w.end(ctx, i.CallID, sallyport.Outcome{State: sallyport.StateFailed, Error: &sallyport.Failure{Code: "tool_failed", Message: "no such file"}})
	case "odd":
		w.end(ctx, i.CallID, sallyport.Outcome{State: sallyport.StateSucceeded, Error: &sallyport.Failure{Code: "result_withheld", Message: "its result is withheld"}})
	case "lost":
		w.end(ctx, i.CallID, sallyport.Outcome{State: sallyport.StateAmbiguous, Error: &sallyport.Failure{Code: "ambiguous", Message: "the sandbox died and left no answer"}})
	default:
		w.end(ctx, i.CallID, sallyport.Outcome{State: sallyport.StateSucceeded, Result: json.RawMessage(`{"manifest":"kind: Deployment # <b>"}`)})
	}
}

func (w *workflow) end(ctx context.Context, id string, o sallyport.Outcome) {
	o.FinishedAt = w.clock.Now()
	w.record(ctx, sallyport.Entry{CallID: id, Kind: sallyport.EntryOutcome, Outcome: &o})
}

// record panics where the test itself is wrong; refusals of the ledger are
// part of the play.
func (w *workflow) record(ctx context.Context, e sallyport.Entry) {
	e.At = w.clock.Now()
	if _, err := w.ledger.Record(ctx, e); err != nil && sallyport.KindOf(err) == sallyport.Invalid {
		panic(err)
	}
}

// Vote counts attested votes as the real workflow does, so far as the API
// can tell the difference.
func (w *workflow) Vote(ctx context.Context, callID, attestation string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.down.check("temporal"); err != nil {
		return err
	}
	var a sallyport.Attestation
	if err := unseal(attestation, &a); err != nil || a.CallID != callID || !a.At.Equal(w.clock.Now()) {
		return sallyport.Errorf(sallyport.Invalid, "bad_evidence", "the attestation is not the API's")
	}
	r, err := w.ledger.Call(ctx, callID)
	if err != nil {
		return err
	}
	person := a.Account.Subject
	switch {
	case r.State != sallyport.StateAwaitingApproval:
		return sallyport.Errorf(sallyport.Conflict, "not_waiting", "the call does not wait for votes")
	case a.Paper.Ballot != r.Ballot.Digest():
		return sallyport.Errorf(sallyport.Invalid, "other_ballot", "the vote is for another ballot")
	case person == r.Intent.Agent.Owner:
		return sallyport.Errorf(sallyport.Denied, "own_agent", "%s owns this agent", person)
	case person == "olga":
		return sallyport.Errorf(sallyport.Denied, "not_eligible", "olga is in none of the groups")
	case a.Paper.Reason == "again":
		return sallyport.Errorf(sallyport.Conflict, "already_voted", "%s has voted", person)
	}
	w.count(ctx, callID, person, a.Paper)
	return nil
}

func (w *workflow) count(ctx context.Context, id, person string, paper sallyport.BallotPaper) {
	w.record(ctx, sallyport.Entry{CallID: id, Kind: sallyport.EntryVote, Key: person, Vote: &sallyport.Vote{
		Ballot: paper.Ballot, Person: person, Groups: []string{"sre"}, Verdict: paper.Verdict, Reason: paper.Reason,
		Evidence: sallyport.Evidence{Class: sallyport.APIAttested, Token: "evidence-token"}, At: w.clock.Now(),
	}})
	if paper.Verdict == sallyport.Reject {
		w.end(ctx, id, sallyport.Outcome{State: sallyport.StateRejected, Error: &sallyport.Failure{Code: "rejected", Message: person + " said no"}})
		return
	}
	r, err := w.ledger.Call(ctx, id)
	if err == nil {
		w.run(ctx, *r.Intent)
	}
}

// Cancel ends what has not started, and leaves what has to itself.
func (w *workflow) Cancel(ctx context.Context, callID string, by sallyport.Identity) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.down.check("temporal"); err != nil {
		return err
	}
	r, err := w.ledger.Call(ctx, callID)
	switch {
	case err != nil:
		return err
	case w.started[callID] == 0:
		return sallyport.Errorf(sallyport.NotFound, "no_workflow", "there is no workflow for this call")
	case r.Start == nil:
		who := by.Account.Subject
		w.end(ctx, callID, sallyport.Outcome{State: sallyport.StateCancelled, Error: &sallyport.Failure{Code: "cancelled", Message: "cancelled by " + who}})
	}
	return nil
}
