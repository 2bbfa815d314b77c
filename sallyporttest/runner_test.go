package sallyporttest_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/sallyporttest"
)

func scaleIntent() sallyport.Intent {
	return sallyport.Intent{
		CallID:    sallyport.CallID([16]byte{1}),
		Agent:     sallyport.Agent{ID: "deploy-bot", Account: sallyport.Account{Issuer: "https://idp.test", Subject: "deploy"}, Owner: "alice"},
		Tool:      sallyport.ToolRef{Name: "scale"},
		Arguments: json.RawMessage(`{"replicas":5}`),
		Action:    "scale", Resource: "deployment", Namespace: "staging", Name: "api",
		At: time.Date(2026, 11, 21, 22, 0, 0, 0, time.UTC),
	}
}

func TestFakeRunner(t *testing.T) {
	sallyporttest.TestRunner(t, func(*testing.T) sallyporttest.RunnerSubject {
		i := scaleIntent()
		var version atomic.Int64
		plan := func(i sallyport.Intent) sallyport.Plan {
			p := sallyporttest.PlanOf(i)
			p.Preconditions = json.RawMessage([]string{`{"version":1}`, `{"version":2}`}[version.Load()])
			return p
		}
		known := func(i sallyport.Intent) error {
			if i.Tool.Name != "scale" {
				return sallyport.Errorf(sallyport.NotFound, "unknown_tool", "there is no tool %q", i.Tool.Name)
			}
			return nil
		}
		r := &sallyporttest.Runner{PlanFunc: func(_ context.Context, i sallyport.Intent) (sallyport.Plan, error) {
			return plan(i), known(i)
		}}
		r.RunFunc = func(ctx context.Context, p sallyport.Permit) (sallyport.Outcome, error) {
			if err := errors.Join(ctx.Err(), known(p.Intent())); err != nil {
				return sallyport.Outcome{}, err
			}
			if p.Plan() != nil && p.Plan().Digest() != plan(p.Intent()).Digest() {
				return sallyporttest.OutcomeOf(p, sallyport.StateFailed), nil
			}
			r.Act(p)
			return sallyporttest.OutcomeOf(p, sallyport.StateSucceeded), nil
		}
		return sallyporttest.RunnerSubject{
			Runner:  r,
			Intent:  i,
			Effects: func(*testing.T) int { return r.Effects(i.CallID) },
			Drift:   func(*testing.T) { version.Store(1) },
		}
	})
}

func TestRunnerFaults(t *testing.T) {
	permit := sallyporttest.AllowedPermit(t, scaleIntent(), sallyport.Obligations{})
	id := permit.Intent().CallID

	failing := sallyporttest.Runner{RunFunc: sallyporttest.EndAs(sallyport.StateFailed)}
	if o, err := failing.Run(t.Context(), permit); err != nil || o.State != sallyport.StateFailed || failing.Effects(id) != 0 {
		t.Errorf("EndAs: %+v, %v; want failed without effect", o, err)
	}

	refusing := sallyporttest.Runner{RunFunc: sallyporttest.RefuseRun(context.DeadlineExceeded)}
	if _, err := refusing.Run(t.Context(), permit); !errors.Is(err, context.DeadlineExceeded) || refusing.Runs(id) != 1 {
		t.Errorf("RefuseRun: %v after %d runs; want its error and one run", err, refusing.Runs(id))
	}
}
