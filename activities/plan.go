package activities

import (
	"context"

	"github.com/sallyport/sallyport"
)

// Plan has the runner plan the call, and records the plan. A call has one plan:
// the first that is recorded.
func (a *Activities) Plan(ctx context.Context, signed sallyport.SignedCall) (p sallyport.Plan, err error) {
	done := a.step(ctx, "plan")
	var call sallyport.Call
	defer func() { done(err); err = forTemporal(call, err) }()
	call, err = a.open(ctx, signed)
	if err != nil {
		return p, err
	}
	s, err := a.resolve(ctx, call)
	if err != nil {
		return p, err
	}
	stop := a.heartbeats(ctx, call.ID)
	defer stop()
	p, err = a.plan(ctx, s)
	if err != nil {
		return p, err
	}
	r, err := a.record(ctx, s.redactor(), sallyport.Entry{CallID: call.ID, Kind: sallyport.EntryPlan, At: a.Now(), Plan: &p})
	if err != nil {
		return sallyport.Plan{}, err
	}
	return *r.Entry.Plan, nil
}

// plan has the runner plan, and redacts the plan before a digest is taken of it
// or policy sees it: the run's plan is compared with the recorded one.
func (a *Activities) plan(ctx context.Context, s subject) (sallyport.Plan, error) {
	runner, err := a.runner(s.tool)
	if err != nil {
		return sallyport.Plan{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.tool.Timeout)
	defer cancel()
	p, err := runner.Plan(ctx, s.intent)
	if err != nil {
		return p, err
	}
	return s.redactor().Plan(p)
}

func (a *Activities) runner(t sallyport.Tool) (sallyport.Runner, error) {
	r, ok := a.Runners[t.Runner]
	if !ok {
		return nil, sallyport.Errorf(sallyport.Denied, sallyport.CodeNoRunner, "tool %s needs the runner %q, which this gateway does not have", t.Name, t.Runner)
	}
	return r, nil
}
