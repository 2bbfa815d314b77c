package workflows_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/activities"
	"github.com/sallyport/sallyport/adapters/oidc"
	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/sallyporttest/workflowstest"
	"github.com/sallyport/sallyport/workflows"
	"github.com/sallyport/sallyport/workflows/wire"
)

// handsIn lets a person hand in an ID token as a vote; token makes it when the
// call waits.
func handsIn(person string, v sallyport.Verdict, code string, token func(*workflowstest.Harness, sallyport.Digest) string) act {
	return func(h *workflowstest.Harness, env *testsuite.TestWorkflowEnvironment, call sallyport.Call) {
		idToken := token(h, h.Read(call.ID).Ballot.Digest())
		env.UpdateWorkflow(wire.VoteUpdate, "", &updateResult{h.T, code}, h.HandIn(call.ID, person, v, idToken))
	}
}

// once keeps the token that was made first.
func once(token func(*workflowstest.Harness, sallyport.Digest) string) func(*workflowstest.Harness, sallyport.Digest) string {
	kept := ""
	return func(h *workflowstest.Harness, ballot sallyport.Digest) string {
		if kept == "" {
			kept = token(h, ballot)
		}
		return kept
	}
}

// signs lets a person vote by an ID token of their own.
func signs(person string, v sallyport.Verdict, code string) act {
	return handsIn(person, v, code, func(h *workflowstest.Harness, ballot sallyport.Digest) string {
		return h.IDP.IDToken(person, v, ballot, nil)
	})
}

// TestSignedVotes counts votes that the identity provider signed, and those
// that only look so.
func TestSignedVotes(t *testing.T) {
	bobs := func(h *workflowstest.Harness, ballot sallyport.Digest) string {
		return h.IDP.IDToken("bob", sallyport.Approve, ballot, nil)
	}
	same := once(bobs)
	for name, tt := range map[string]struct {
		reason string
		quorum int
		acts   []act
		state  sallyport.State
		want   string // in the message of the last refusal
	}{
		"Approved": {reason: "bob's provider signed it", quorum: 1, state: sallyport.StateSucceeded, acts: []act{signs("bob", sallyport.Approve, "")}},
		"Rejected": {reason: "one no ends it", quorum: 2, state: sallyport.StateRejected, acts: []act{signs("bob", sallyport.Reject, "")}},
		"WithOthers": {
			reason: "classes add up", quorum: 2, state: sallyport.StateSucceeded,
			acts: []act{signalsAs("carol", sallyport.Approve), signs("bob", sallyport.Approve, "")},
		},
		"SameTokenTwice": {
			reason: "one token is one vote", quorum: 2, state: sallyport.StateExpired,
			acts: []act{handsIn("bob", sallyport.Approve, "", same), handsIn("bob", sallyport.Approve, "", same)},
		},
		"BothAccounts": {
			reason: "a person has one vote over all accounts", quorum: 2, state: sallyport.StateExpired, want: "has voted",
			acts: []act{signs("bob", sallyport.Approve, ""), signs("robert", sallyport.Approve, "already_voted")},
		},
		"Owner": {
			reason: "an owner's signed vote is still an owner's", quorum: 1, state: sallyport.StateExpired, want: "owns the agent",
			acts: []act{signs("alice", sallyport.Approve, "own_agent")},
		},
		"AnotherPersons": {
			reason: "carol can't hand in what bob signed", quorum: 1, state: sallyport.StateExpired, want: "the vote was sent by",
			acts: []act{handsIn("carol", sallyport.Approve, "bad_evidence", bobs)},
		},
		"AfterAnotherPerson": {
			reason: "whom a token was stolen from may still vote", quorum: 1, state: sallyport.StateSucceeded,
			acts: []act{handsIn("carol", sallyport.Approve, "bad_evidence", bobs), signs("bob", sallyport.Approve, "")},
		},
		"YesForANo": {
			reason: "what was signed is what counts", quorum: 1, state: sallyport.StateExpired, want: `says "approve", and the vote "reject"`,
			acts: []act{handsIn("bob", sallyport.Reject, "bad_evidence", bobs)},
		},
		"Expired": {
			reason: "a token that was kept back is no vote", quorum: 1, state: sallyport.StateExpired, want: "expired",
			acts: []act{handsIn("bob", sallyport.Approve, "bad_evidence", func(h *workflowstest.Harness, ballot sallyport.Digest) string {
				return h.IDP.IDToken("bob", sallyport.Approve, ballot, map[string]any{
					"auth_time": h.Now().Add(-40 * time.Second).Unix(), "iat": h.Now().Add(-40 * time.Second).Unix(),
					"exp": h.Now().Add(-20 * time.Second).Unix(),
				})
			})},
		},
		"BeforeTheBallot": {
			reason: "a vote before the ballot opened does not count", quorum: 1, state: sallyport.StateExpired, want: "was open until",
			acts: []act{handsIn("bob", sallyport.Approve, "not_waiting", func(h *workflowstest.Harness, ballot sallyport.Digest) string {
				at := h.Now().Add(-3 * time.Minute).Unix()
				return h.IDP.IDToken("bob", sallyport.Approve, ballot, map[string]any{"iat": at, "auth_time": at})
			})},
		},
		"Silent": {
			reason: "bob was logged in, and did not log in for this", quorum: 1, state: sallyport.StateExpired, want: "log in for this vote",
			acts: []act{handsIn("bob", sallyport.Approve, "bad_evidence", func(h *workflowstest.Harness, ballot sallyport.Digest) string {
				return h.IDP.IDToken("bob", sallyport.Approve, ballot, map[string]any{"auth_time": h.Now().Add(-time.Hour).Unix()})
			})},
		},
		"OtherKey": {
			reason: "agents' keys sign no votes", quorum: 1, state: sallyport.StateExpired, want: "is none of",
			acts: []act{handsIn("bob", sallyport.Approve, "bad_evidence", func(h *workflowstest.Harness, _ sallyport.Digest) string {
				return h.IDP.Sign(h.IDP.Agents, "JWT", map[string]any{"iss": sallyporttest.PeopleIssuer, "sub": "bob"})
			})},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, env, call, signed := waiting(t, tt.quorum)
			for i, do := range tt.acts {
				env.RegisterDelayedCallback(func() { do(h, env, call) }, time.Minute*time.Duration(i+1))
			}
			env.ExecuteWorkflow(workflows.ToolCall, signed)
			if err := env.GetWorkflowError(); err != nil {
				t.Fatalf("%v: %s", err, tt.reason)
			}
			rec := h.Read(call.ID)
			if rec.State != tt.state {
				t.Errorf("the call is %s, want %s: %s", rec.State, tt.state, tt.reason)
			}
			if tt.want != "" && (len(rec.Refusals) == 0 || !strings.Contains(rec.Refusals[len(rec.Refusals)-1].Message, tt.want)) {
				t.Errorf("the refusals are %+v, want one that says %q: %s", rec.Refusals, tt.want, tt.reason)
			}
			for _, v := range rec.Votes {
				if v.Evidence.Class != sallyport.IDPSigned {
					continue
				}
				if err := (oidc.Kept{Audience: workflowstest.VoteAudience}).Verify(v, *rec.Ballot); err != nil {
					t.Errorf("what was kept of %s's vote does not verify: %v", v.Person, err)
				}
			}
		})
	}
}

// TestProviderOutOfReach: a vote that can't be verified yet is not refused.
func TestProviderOutOfReach(t *testing.T) {
	h, env, call, signed := waiting(t, 1)
	verifier := &flaky{VoteVerifier: h.IDP, fails: 3}
	h.Acts.Votes = verifier
	env.RegisterDelayedCallback(func() { signs("bob", sallyport.Approve, "")(h, env, call) }, time.Minute)
	env.ExecuteWorkflow(workflows.ToolCall, signed)
	h.WantEnd(call.ID, sallyport.StateSucceeded, "")
	if rec := h.Read(call.ID); len(rec.Refusals) != 0 || verifier.fails != 0 {
		t.Errorf("refusals %+v, and %d outages left", rec.Refusals, verifier.fails)
	}
}

// flaky can't reach the provider a few times.
type flaky struct {
	sallyport.VoteVerifier

	fails int
}

func (f *flaky) VerifyVote(ctx context.Context, token string) (sallyport.SignedVote, error) {
	if f.fails > 0 {
		f.fails--
		return sallyport.SignedVote{}, sallyport.Errorf(sallyport.Unavailable, "issuer_unavailable", "no keys")
	}
	return f.VoteVerifier.VerifyVote(ctx, token)
}

// TestRunOnSignedVotes starts the activity Run with evidence of the attacker's
// choice: the run verifies each token once more, by the provider's keys as
// they are now.
func TestRunOnSignedVotes(t *testing.T) {
	const thisRun = "default-test-run-id" // of the SDK's test environment
	for name, tt := range map[string]struct {
		reason string
		token  func(h *workflowstest.Harness, ballot sallyport.Digest) sallyport.Evidence
		code   string

		unrecorded bool // no count put it into the ledger
	}{
		"NeverCounted": {
			reason: "what was refused, or never seen, is no evidence for the run", code: "bad_evidence", unrecorded: true,
			token: func(h *workflowstest.Harness, b sallyport.Digest) sallyport.Evidence {
				return sallyport.Evidence{Class: sallyport.IDPSigned, Token: h.IDP.IDToken("bob", sallyport.Approve, b, nil)}
			},
		},
		"Honest": {
			reason: "the control", code: "",
			token: func(h *workflowstest.Harness, b sallyport.Digest) sallyport.Evidence {
				return sallyport.Evidence{Class: sallyport.IDPSigned, Token: h.IDP.IDToken("bob", sallyport.Approve, b, nil)}
			},
		},
		"No": {
			reason: "a no is no yes", code: "no_quorum",
			token: func(h *workflowstest.Harness, b sallyport.Digest) sallyport.Evidence {
				return sallyport.Evidence{Class: sallyport.IDPSigned, Token: h.IDP.IDToken("bob", sallyport.Reject, b, nil)}
			},
		},
		"Withdrawn": {
			reason: "a key that the provider has withdrawn signs nothing any more", code: "bad_evidence",
			token: func(h *workflowstest.Harness, b sallyport.Digest) sallyport.Evidence {
				return sallyport.Evidence{Class: sallyport.IDPSigned, Token: h.IDP.Sign(h.IDP.Agents, "JWT", map[string]any{
					"iss": sallyporttest.PeopleIssuer, "sub": "bob", "aud": workflowstest.VoteAudience,
					"nonce": sallyport.VoteNonce(sallyport.Approve, b), "auth_time": h.Now().Unix(), "iat": h.Now().Unix(), "exp": h.Now().Unix() + 60,
				})}
			},
		},
		"ClassChanged": {
			reason: "the API's attestation is not a provider's signature", code: "bad_evidence",
			token: func(h *workflowstest.Harness, b sallyport.Digest) sallyport.Evidence {
				attested, err := h.Signer.SignAttestation(sallyport.Attestation{
					CallID: sallyport.CallID([16]byte{1}), Account: sallyport.Account{Issuer: sallyporttest.PeopleIssuer, Subject: "bob"},
					Paper: sallyport.BallotPaper{Verdict: sallyport.Approve, Ballot: b}, At: h.Now().UTC(),
				})
				if err != nil {
					h.T.Fatal(err)
				}
				return sallyport.Evidence{Class: sallyport.IDPSigned, Token: attested}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := workflowstest.New(t, time.Now)
			h.Policy.Set(workflowstest.Asks(1), nil)
			call, signed := h.Call("read")
			ask(t, h, call, thisRun)
			e := tt.token(h, h.Read(call.ID).Ballot.Digest())
			if !tt.unrecorded {
				votedBy(h, call.ID, "bob", sallyport.Approve, e)
			}
			env := h.Env(call)
			env.ExecuteWorkflow(runs, activities.RunInput{Call: signed, Evidence: []sallyport.Evidence{e}})
			got := ""
			if err := env.GetWorkflowError(); err != nil {
				got = activities.Cause(err).Code
			}
			if got != tt.code {
				t.Errorf("the run was refused as %q, want %q: %s", got, tt.code, tt.reason)
			}
		})
	}
	t.Run("WrappedByTheAPI", func(t *testing.T) {
		h := workflowstest.New(t, time.Now)
		h.Policy.Set(workflowstest.Asks(1), nil)
		call, signed := h.Call("read")
		ask(t, h, call, thisRun)
		// An attestation that carries a token which does not hold.
		e := sallyport.Evidence{Class: sallyport.APIAttested, Token: h.HandIn(call.ID, "bob", sallyport.Approve, "no token")}
		votedBy(h, call.ID, "bob", sallyport.Approve, e)
		env := h.Env(call)
		env.ExecuteWorkflow(runs, activities.RunInput{Call: signed, Evidence: []sallyport.Evidence{e}})
		if err := env.GetWorkflowError(); err == nil || activities.Cause(err).Code != "bad_evidence" {
			t.Errorf("a token that does not hold was left out of the count: %v", err)
		}
	})
}
