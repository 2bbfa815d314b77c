package sallyporttest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
)

// RunnerSubject is a runner under test, with a write that it can do.
type RunnerSubject struct {
	Runner  sallyport.Runner
	Intent  sallyport.Intent       // writes; can be planned and run
	Effects func(t *testing.T) int // how many writes the target has seen
	Drift   func(t *testing.T)     // changes the target, not by a write of ours, so that earlier plans don't hold
}

// TestRunner checks that an implementation keeps the contract of
// [sallyport.Runner]. Every test makes its own subject.
func TestRunner(t *testing.T, newSubject func(t *testing.T) RunnerSubject) {
	for name, test := range map[string]func(*testing.T, RunnerSubject){
		"Plan":          testPlan,
		"PlanUnknown":   testPlanUnknown,
		"PlanCancelled": testPlanCancelled,
		"NoPermit":      testNoPermit,
		"RunAllowed":    testRunAllowed,
		"RunApproved":   testRunApproved,
		"RunDrifted":    testRunDrifted,
		"RunUnknown":    testRunUnknown,
		"RunCancelled":  testRunCancelled,
		"Parallel":      testRunnerParallel,
	} {
		t.Run(name, func(t *testing.T) { test(t, newSubject(t)) })
	}
}

// AllowedPermit is a permit for an intent that policy allows without asking.
func AllowedPermit(t *testing.T, i sallyport.Intent, o sallyport.Obligations) sallyport.Permit {
	t.Helper()
	return newPermit(t, sallyport.Grounds{
		Call:     callOf(i),
		Intent:   i,
		Decision: sallyport.Decision{Effect: sallyport.Allow, Obligations: o, Revision: "test"},
	})
}

// ApprovedPermit is a permit for an intent that one person approved as
// planned.
func ApprovedPermit(t *testing.T, i sallyport.Intent, plan sallyport.Plan) sallyport.Permit {
	t.Helper()
	terms := sallyport.Terms{Groups: []string{"sre"}, Quorum: 1, TTLSeconds: 60, Evidence: []sallyport.EvidenceClass{sallyport.APIAttested}}
	now := time.Now().UTC()
	ballot := sallyport.Ballot{
		CallID: i.CallID, Nonce: "nonce", Intent: i.Digest(), Plan: plan.Digest(), Terms: terms, RunID: "run",
		OpenedAt: now, ExpiresAt: now.Add(time.Minute),
	}
	return newPermit(t, sallyport.Grounds{
		Call:     callOf(i),
		Intent:   i,
		Decision: sallyport.Decision{Effect: sallyport.Ask, Approval: &terms, Revision: "test"},
		Plan:     &plan,
		Ballot:   &ballot,
		Votes: []sallyport.Vote{{
			Ballot: ballot.Digest(), Person: "bob", Groups: terms.Groups, Verdict: sallyport.Approve,
			Evidence: sallyport.Evidence{Class: sallyport.APIAttested, Token: "token"}, At: now,
		}},
	})
}

func newPermit(t *testing.T, g sallyport.Grounds) sallyport.Permit {
	t.Helper()
	p, err := sallyport.NewPermit(g, time.Now().UTC())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func callOf(i sallyport.Intent) sallyport.Call {
	return sallyport.Call{
		ID: i.CallID, AgentID: i.Agent.ID, Account: i.Agent.Account, Tool: i.Tool.Name,
		Arguments: i.Arguments, Stated: i.Stated, ReceivedAt: i.At,
	}
}

func wantEffects(t *testing.T, s RunnerSubject, want int, why string) {
	t.Helper()
	if got := s.Effects(t); got != want {
		t.Errorf("the target has seen %d writes, want %d: %s", got, want, why)
	}
}

func testPlan(t *testing.T, s RunnerSubject) {
	first, err := s.Runner.Plan(t.Context(), s.Intent)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Runner.Plan(t.Context(), s.Intent)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(first, again); d != "" || first.Digest() != again.Digest() {
		t.Errorf("the same state of the world gave two plans (-first +again)\n%s", d)
	}
	if first.Summary == "" || len(first.Changes) == 0 || len(first.Preconditions) == 0 {
		t.Errorf("plan %+v; want a summary, changes and preconditions", first)
	}
	wantEffects(t, s, 0, "planning changes nothing")
}

func testPlanUnknown(t *testing.T, s RunnerSubject) {
	s.Intent.Tool.Name = "no_such_tool"
	if p, err := s.Runner.Plan(t.Context(), s.Intent); err == nil {
		t.Errorf("Plan = %+v; want an error, for there is no such tool", p)
	}
}

func testPlanCancelled(t *testing.T, s RunnerSubject) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if p, err := s.Runner.Plan(ctx, s.Intent); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("Plan = %+v, %v; want an error of kind unavailable, as it was cancelled", p, err)
	}
}

func testNoPermit(t *testing.T, s RunnerSubject) {
	denied, err := sallyport.NewPermit(sallyport.Grounds{
		Call: callOf(s.Intent), Intent: s.Intent, Decision: sallyport.Decision{Effect: sallyport.Deny},
	}, time.Now())
	if err == nil {
		t.Fatal("a denied intent got a permit")
	}
	for name, p := range map[string]sallyport.Permit{"Zero": {}, "Denied": denied} {
		if o, err := s.Runner.Run(t.Context(), p); sallyport.KindOf(err) != sallyport.Denied {
			t.Errorf("%s: Run = %+v, %v; want an error of kind denied", name, o, err)
		}
	}
	wantEffects(t, s, 0, "nothing runs without a permit")
}

func testRunAllowed(t *testing.T, s RunnerSubject) {
	wantOneWrite(t, s, AllowedPermit(t, s.Intent, sallyport.Obligations{}))
}

func testRunApproved(t *testing.T, s RunnerSubject) {
	plan, err := s.Runner.Plan(t.Context(), s.Intent)
	if err != nil {
		t.Fatal(err)
	}
	wantOneWrite(t, s, ApprovedPermit(t, s.Intent, plan))
}

func wantOneWrite(t *testing.T, s RunnerSubject, p sallyport.Permit) {
	t.Helper()
	before := time.Now()
	o, err := s.Runner.Run(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if o.State != sallyport.StateSucceeded || o.Error != nil || len(o.Result) == 0 || o.Reference == "" || o.Place == "" {
		t.Errorf("outcome %+v (%+v); want it succeeded, with result, reference and place", o, o.Error)
	}
	if o.StartedAt.Before(before) || o.FinishedAt.Before(o.StartedAt) || o.FinishedAt.After(time.Now()) {
		t.Errorf("it ran from %v to %v; want times between %v and now", o.StartedAt, o.FinishedAt, before)
	}
	wantEffects(t, s, 1, "one run is one write")
}

func testRunDrifted(t *testing.T, s RunnerSubject) {
	plan, err := s.Runner.Plan(t.Context(), s.Intent)
	if err != nil {
		t.Fatal(err)
	}
	s.Drift(t)
	o, err := s.Runner.Run(t.Context(), ApprovedPermit(t, s.Intent, plan))
	if err == nil && (o.State != sallyport.StateFailed || o.Error == nil || o.Error.Code == "") {
		t.Errorf("outcome %+v; want it failed with a code, for the approved plan doesn't hold any more", o)
	}
	wantEffects(t, s, 0, "what was approved is what runs")
}

func testRunUnknown(t *testing.T, s RunnerSubject) {
	s.Intent.Tool.Name = "no_such_tool"
	if o, err := s.Runner.Run(t.Context(), AllowedPermit(t, s.Intent, sallyport.Obligations{})); err == nil {
		t.Errorf("Run = %+v; want an error, for nothing was done", o)
	}
	wantEffects(t, s, 0, "there is no such tool")
}

func testRunCancelled(t *testing.T, s RunnerSubject) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o, err := s.Runner.Run(ctx, AllowedPermit(t, s.Intent, sallyport.Obligations{}))
	if err == nil && o.State == sallyport.StateSucceeded {
		t.Errorf("outcome %+v; want a run that was stopped before it began not to succeed", o)
	}
	wantEffects(t, s, 0, "the run was stopped before it began")
}

func testRunnerParallel(t *testing.T, s RunnerSubject) {
	want, err := s.Runner.Plan(t.Context(), s.Intent)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			got, err := s.Runner.Plan(t.Context(), s.Intent)
			if err != nil || got.Digest() != want.Digest() {
				t.Errorf("Plan among 16 = %+v, %v; want the plan made alone", got, err)
			}
		})
	}
	wg.Wait()
	wantEffects(t, s, 0, "planning changes nothing")
}
