package workflows_test

import (
	"context"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/activities"
	"github.com/sallyport/sallyport/sallyporttest/workflowstest"
	"github.com/sallyport/sallyport/workflows"
	"github.com/sallyport/sallyport/workflows/wire"
)

// counts is a workflow that counts once.
func counts(ctx workflow.Context, in activities.CountInput) (activities.Counted, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	var c activities.Counted
	return c, workflow.ExecuteActivity(ctx, "Count", in).Get(ctx, &c)
}

// TestCountAgain: an attempt recorded the vote and its response was lost. However
// late the next one comes, it finds the vote.
func TestCountAgain(t *testing.T) {
	const thisRun = "default-test-run-id" // of the SDK's test environment
	now := time.Now()
	h := workflowstest.New(t, func() time.Time { return now })
	h.Policy.Set(workflowstest.Asks(2), nil)
	call, signed := h.Call("read")
	ask(t, h, call, thisRun)
	token := h.IDP.IDToken("bob", sallyport.Approve, h.Read(call.ID).Ballot.Digest(), nil)
	in := activities.CountInput{Call: signed, Attestation: h.HandIn(call.ID, "bob", sallyport.Approve, token)}
	for range 3 {
		env := h.Env(call)
		env.ExecuteWorkflow(counts, in)
		var c activities.Counted
		if err := env.GetWorkflowResult(&c); err != nil {
			t.Fatal(err)
		}
		if len(c.Votes) != 1 || len(c.Refusals) != 0 {
			t.Errorf("%s after the first attempt there are the votes %+v and the refusals %+v", now, c.Votes, c.Refusals)
		}
		now = now.Add(11 * time.Minute) // past the token's end
	}
	if n := len(h.Kinds(call.ID)); n != 5 {
		t.Errorf("the ledger has %v", h.Kinds(call.ID))
	}
}

// TestLostCount loses a count after it recorded the vote, for as long as the
// workflow tries. The next count finds the vote, and the voter need not vote again.
func TestLostCount(t *testing.T) {
	h, env, call, signed := waiting(t, 1)
	h.Ledger.Fail = func(e sallyport.Entry) error {
		if e.Kind == sallyport.EntryVote {
			return context.DeadlineExceeded
		}
		return nil
	}
	env.RegisterDelayedCallback(func() {
		env.UpdateWorkflow(wire.VoteUpdate, "", ignored{}, h.Attest(call.ID, "bob", sallyport.Approve))
	}, time.Minute)
	env.RegisterDelayedCallback(func() { // what such a count may leave
		rec := h.Read(call.ID)
		h.Ledger.Fail = nil
		votedBy(h, call.ID, "bob", sallyport.Approve, sallyport.Evidence{Class: sallyport.APIAttested, Token: h.Attest(call.ID, "bob", sallyport.Approve)})
		if rec.State != sallyport.StateAwaitingApproval {
			t.Errorf("the call is %s", rec.State)
		}
	}, 2*time.Minute)
	env.ExecuteWorkflow(workflows.ToolCall, signed)
	h.WantEnd(call.ID, sallyport.StateSucceeded, "")
}

// TestOvertakenCount: an attempt that was given up writes the vote after the
// next one has read the ledger. The vote is not missed.
func TestOvertakenCount(t *testing.T) {
	h, env, call, signed := waiting(t, 1)
	h.Ledger.Fail = func(e sallyport.Entry) error {
		if e.Kind == sallyport.EntryVote {
			h.Ledger.Fail = nil
			h.Record(e)
		}
		return nil
	}
	env.RegisterDelayedCallback(func() { votes("bob", sallyport.Approve, "")(h, env, call) }, time.Minute)
	began := h.Now()
	env.ExecuteWorkflow(workflows.ToolCall, signed)
	h.WantEnd(call.ID, sallyport.StateSucceeded, "")
	if took := h.Read(call.ID).UpdatedAt.Sub(began); took > 10*time.Minute {
		t.Errorf("the call ran after %s: the workflow missed the vote", took)
	}
}

// ignored is an update whose result the test ignores.
type ignored struct{}

func (ignored) Reject(error)        {}
func (ignored) Accept()             {}
func (ignored) Complete(any, error) {}

// TestVotesAreCountedOnce hands one token in again and again. The run is told
// of it once.
func TestVotesAreCountedOnce(t *testing.T) {
	h, env, call, signed := waiting(t, 2)
	bobs := once(func(h *workflowstest.Harness, ballot sallyport.Digest) string {
		return h.IDP.IDToken("bob", sallyport.Approve, ballot, nil)
	})
	for i := range 5 {
		env.RegisterDelayedCallback(func() { handsIn("bob", sallyport.Approve, "", bobs)(h, env, call) }, time.Minute+time.Duration(i)*time.Second)
	}
	env.RegisterDelayedCallback(func() { signalsAs("carol", sallyport.Approve)(h, env, call) }, 3*time.Minute)
	evidence := -1
	env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, args converter.EncodedValues) {
		var in activities.RunInput
		if info.ActivityType.Name == "Run" {
			if err := args.Get(&in); err != nil {
				t.Error(err)
			}
			evidence = len(in.Evidence)
		}
	})
	env.ExecuteWorkflow(workflows.ToolCall, signed)
	if h.WantEnd(call.ID, sallyport.StateSucceeded, ""); evidence != 2 {
		t.Errorf("the run was given %d pieces of evidence of two votes", evidence)
	}
}

// TestNonVotersFetchNoKeys: a person who may not vote can't make the worker fetch
// an issuer's keys, and so exhaust the limit of those fetches.
func TestNonVotersFetchNoKeys(t *testing.T) {
	h, env, call, signed := waiting(t, 1)
	asked := &asked{VoteVerifier: h.IDP}
	h.Acts.Votes = asked
	for i, who := range []string{"alice", "dave", "unlisted"} {
		env.RegisterDelayedCallback(func() {
			env.UpdateWorkflow(wire.VoteUpdate, "", ignored{}, h.HandIn(call.ID, who, sallyport.Approve, "some.id.token"))
		}, time.Duration(i+1)*time.Minute)
	}
	env.RegisterDelayedCallback(func() {
		if asked.times != 0 {
			t.Errorf("votes of people who may not vote had keys fetched %d times", asked.times)
		}
		signs("bob", sallyport.Approve, "")(h, env, call)
	}, 10*time.Minute)
	env.ExecuteWorkflow(workflows.ToolCall, signed)
	h.WantEnd(call.ID, sallyport.StateSucceeded, "")
	for _, r := range h.Read(call.ID).Refusals {
		if r.Account.Subject == "" || r.Evidence.Class != sallyport.IDPSigned {
			t.Errorf("a refusal lacks its account or its evidence class: %+v", r)
		}
	}
}

type asked struct {
	sallyport.VoteVerifier

	times int
}

func (a *asked) VerifyVote(ctx context.Context, token string) (sallyport.SignedVote, error) {
	a.times++
	return a.VoteVerifier.VerifyVote(ctx, token)
}
