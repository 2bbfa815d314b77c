package workflows_test

import (
	"testing"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/activities"
	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/sallyporttest/workflowstest"
)

// TestRunVerifiesVotes starts the activity Run from a workflow that is not ours
// but has the call's id, with evidence of the attacker's choice. What the
// ledger holds was put there by honest counts.
func TestRunVerifiesVotes(t *testing.T) {
	const thisRun = "default-test-run-id" // of the SDK's test environment
	for name, tt := range map[string]struct {
		reason   string
		runID    string // of the ballot
		no       bool   // carol has said no
		evidence func(yes, other sallyport.Evidence) []sallyport.Evidence
		code     string // of the refusal, or "" where it runs
	}{
		"Honest": {
			reason: "the control: a vote that counts lets it run", runID: thisRun,
			evidence: func(yes, _ sallyport.Evidence) []sallyport.Evidence { return []sallyport.Evidence{yes} },
		},
		"OmittedNo": {
			reason: "a recorded no can't be left out", runID: thisRun, no: true, code: "rejected",
			evidence: func(yes, _ sallyport.Evidence) []sallyport.Evidence { return []sallyport.Evidence{yes} },
		},
		"NoEvidence": {
			reason: "votes in the ledger are no evidence by themselves", runID: thisRun, code: "no_quorum",
			evidence: func(_, _ sallyport.Evidence) []sallyport.Evidence { return nil },
		},
		"Twice": {
			reason: "one vote said twice is one vote", runID: thisRun,
			evidence: func(yes, _ sallyport.Evidence) []sallyport.Evidence { return []sallyport.Evidence{yes, yes} },
		},
		"OtherCall": {
			reason: "a vote on another call is none on this", runID: thisRun, code: "bad_evidence",
			evidence: func(_, other sallyport.Evidence) []sallyport.Evidence { return []sallyport.Evidence{other} },
		},
		"Invented": {
			reason: "an event that doesn't exist shows no vote", runID: thisRun, code: "bad_evidence",
			evidence: func(_, _ sallyport.Evidence) []sallyport.Evidence {
				return []sallyport.Evidence{{Class: sallyport.TemporalPrincipal, EventID: 5}}
			},
		},
		"OtherRun": {
			reason: "votes on another run's ballot do not count", runID: "another-run", code: "other_ballot",
			evidence: func(yes, _ sallyport.Evidence) []sallyport.Evidence { return []sallyport.Evidence{yes} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := workflowstest.New(t, time.Now)
			h.Policy.Set(workflowstest.Asks(1), nil)
			call, signed := h.Call("read")
			ask(t, h, call, tt.runID)
			other, _ := h.Call("read")
			ask(t, h, other, tt.runID)
			yes := evidence(h, call.ID, "bob", sallyport.Approve)
			votedBy(h, call.ID, "bob", sallyport.Approve, yes)
			if tt.no {
				votedBy(h, call.ID, "carol", sallyport.Reject, evidence(h, call.ID, "carol", sallyport.Reject))
			}
			in := activities.RunInput{Call: signed, Evidence: tt.evidence(yes, evidence(h, other.ID, "bob", sallyport.Approve))}
			env := h.Env(call)
			env.ExecuteWorkflow(runs, in)
			got := ""
			if err := env.GetWorkflowError(); err != nil {
				got = activities.Cause(err).Code
			}
			if got != tt.code {
				t.Errorf("the run was refused as %q, want %q: %s", got, tt.code, tt.reason)
			}
			if ran := h.Runner.Effects(call.ID) == 1; ran != (tt.code == "") {
				t.Errorf("it had %d effects: %s", h.Runner.Effects(call.ID), tt.reason)
			}
		})
	}
}

// runs is an attacker's workflow that runs a call.
func runs(ctx workflow.Context, in activities.RunInput) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	return workflow.ExecuteActivity(ctx, "Run", in).Get(ctx, nil)
}

// ask records what stands in the ledger while a call waits.
func ask(t *testing.T, h *workflowstest.Harness, call sallyport.Call, runID string) {
	t.Helper()
	agent, err := sallyporttest.Identities{}.Agent(call.Account)
	if err != nil {
		t.Fatal(err)
	}
	intent, err := workflowstest.Catalogue{}.Resolve(call, agent)
	if err != nil {
		t.Fatal(err)
	}
	d := workflowstest.Asks(1)
	now := h.Now()
	b := sallyport.Ballot{
		CallID: call.ID, Nonce: "nonce", Intent: intent.Digest(), Terms: *d.Approval, RunID: runID, OpenedAt: now, ExpiresAt: now.Add(time.Hour),
	}
	h.Record(sallyport.Entry{CallID: call.ID, Kind: sallyport.EntryIntent, At: now, Intent: &intent})
	h.Record(sallyport.Entry{CallID: call.ID, Kind: sallyport.EntryDecision, Key: "first", At: now, Decision: &d})
	h.Record(sallyport.Entry{CallID: call.ID, Kind: sallyport.EntryBallot, Key: runID, At: now, Ballot: &b})
}

// votedBy records a vote as an honest count does.
func votedBy(h *workflowstest.Harness, callID, person string, v sallyport.Verdict, e sallyport.Evidence) {
	vote := sallyport.Vote{
		Ballot: h.Read(callID).Ballot.Digest(), Person: person, Groups: []string{"sre"}, Verdict: v, Evidence: e, At: h.Now(),
		Account: sallyport.Account{Issuer: sallyporttest.PeopleIssuer, Subject: person},
	}
	h.Record(sallyport.Entry{CallID: callID, Kind: sallyport.EntryVote, Key: person, At: h.Now(), Vote: &vote})
}

func evidence(h *workflowstest.Harness, callID, person string, v sallyport.Verdict) sallyport.Evidence {
	return sallyport.Evidence{Class: sallyport.APIAttested, Token: h.Attest(callID, person, v)}
}
