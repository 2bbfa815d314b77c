package sallyporttest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/sallyporttest"
)

func TestDecisionsKeepTheContract(t *testing.T) {
	sallyporttest.TestDecider(t, func(t *testing.T) sallyporttest.DeciderSubject {
		t.Helper()
		policy := sallyporttest.NewDecisions(map[string]sallyport.Decision{
			"reads":  sallyporttest.AllowDecision(),
			"writes": sallyporttest.AskDecision(1),
			"breaks": sallyporttest.DenyDecision("never"),
		})
		ask := func(tool string) sallyport.Question {
			return sallyport.Question{
				Intent: sallyport.Intent{Agent: sallyport.Agent{ID: "deploy-bot", Owner: "alice"}, Tool: sallyport.ToolRef{Name: tool}},
				Now:    time.Date(2026, 11, 23, 11, 0, 0, 0, time.UTC),
			}
		}
		return sallyporttest.DeciderSubject{
			Decider: policy, VoteDecider: policy, Visibility: policy,
			Allowed: ask("reads"), Asked: ask("writes"), Denied: ask("breaks"),
			Voter:    sallyport.Person{ID: "bob", Groups: []string{"sre"}},
			Evidence: sallyport.IDPSigned,
			Tool:     sallyport.Tool{Name: "reads"},
			Outage:   func() { policy.Break(errors.New("the policy is gone")) },
		}
	})
}

func TestDecisionsCanChange(t *testing.T) {
	policy := sallyporttest.NewDecisions(nil)
	q := sallyport.Question{Intent: sallyport.Intent{Agent: sallyport.Agent{ID: "deploy-bot"}, Tool: sallyport.ToolRef{Name: "x"}}}
	effect := func() sallyport.Effect {
		d, err := policy.Decide(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		return d.Effect
	}
	if e := effect(); e != sallyport.Deny {
		t.Errorf("a tool that is not in the table: %s, want deny", e)
	}
	policy.Set("x", sallyporttest.AllowDecision())
	if e := effect(); e != sallyport.Allow {
		t.Errorf("after Set: %s, want allow", e)
	}
	policy.Answer = func(sallyport.Question) (sallyport.Decision, error) { return sallyporttest.AskDecision(2), nil }
	if e := effect(); e != sallyport.Ask {
		t.Errorf("with Answer: %s, want ask", e)
	}
	if n := len(policy.Asked()); n != 3 {
		t.Errorf("%d questions were remembered, want 3", n)
	}
}
