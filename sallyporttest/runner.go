package sallyporttest

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sallyport/sallyport"
)

// Runner is a [sallyport.Runner] that runs nothing. The zero value plans and
// succeeds, and remembers which calls took effect.
//
// A fault is a function: PlanFunc and RunFunc, when set, replace
// the default. [RefuseRun] and [EndAs] make faults. Set them before first use.
type Runner struct {
	// PlanFunc replaces Plan.
	PlanFunc func(context.Context, sallyport.Intent) (sallyport.Plan, error)
	// RunFunc replaces what happens after the permit was checked. It calls
	// Act where the effect happens.
	RunFunc RunFunc

	mu      sync.Mutex
	runs    map[string]int
	effects map[string]int
}

// Plan calls PlanFunc, or says that the intent's arguments are what would be.
func (r *Runner) Plan(ctx context.Context, i sallyport.Intent) (sallyport.Plan, error) {
	if err := ctx.Err(); err != nil {
		return sallyport.Plan{}, sallyport.Errorf(sallyport.Unavailable, "cancelled", "planning was stopped: %w", err)
	}
	if r.PlanFunc != nil {
		return r.PlanFunc(ctx, i)
	}
	return PlanOf(i), nil
}

// PlanOf is the plan that [Runner] makes of an intent by default.
func PlanOf(i sallyport.Intent) sallyport.Plan {
	after := i.Arguments
	if len(after) == 0 {
		after = json.RawMessage("null")
	}
	return sallyport.Plan{
		Summary:       i.Action + " " + i.Resource + " " + i.Namespace + "/" + i.Name,
		Diff:          "+ " + string(after),
		Changes:       []sallyport.Change{{Path: "/arguments", Before: json.RawMessage("null"), After: after}},
		Preconditions: json.RawMessage(`{"version":1}`),
	}
}

// Run refuses a permit that doesn't hold, then calls RunFunc, or acts and
// succeeds.
func (r *Runner) Run(ctx context.Context, p sallyport.Permit) (sallyport.Outcome, error) {
	if err := p.Check(); err != nil {
		return sallyport.Outcome{}, err
	}
	r.mu.Lock()
	if r.runs == nil {
		r.runs = map[string]int{}
	}
	r.runs[p.Intent().CallID]++
	r.mu.Unlock()
	if r.RunFunc != nil {
		return r.RunFunc(ctx, p)
	}
	if err := ctx.Err(); err != nil {
		return sallyport.Outcome{}, sallyport.Errorf(sallyport.Unavailable, "cancelled", "the run was stopped before it began: %w", err)
	}
	r.Act(p)
	return OutcomeOf(p, sallyport.StateSucceeded), nil
}

// Act remembers that the permit's call took effect.
func (r *Runner) Act(p sallyport.Permit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.effects == nil {
		r.effects = map[string]int{}
	}
	r.effects[p.Intent().CallID]++
}

// Effects is how often a call took effect. More than once is the worst that
// can happen.
func (r *Runner) Effects(callID string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.effects[callID]
}

// Runs is how often a call's run was asked for with a permit that held.
func (r *Runner) Runs(callID string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.runs[callID]
}

// Calls are the calls that took effect, sorted.
func (r *Runner) Calls() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.effects))
}

// OutcomeOf is the outcome that [Runner] gives a call's run by default.
func OutcomeOf(p sallyport.Permit, s sallyport.State) sallyport.Outcome {
	o := sallyport.Outcome{
		State:      s,
		Place:      "fake/1",
		StartedAt:  time.Now().UTC(),
		FinishedAt: time.Now().UTC(),
	}
	if s == sallyport.StateSucceeded {
		o.Result = json.RawMessage(`{"ok":true}`)
		o.Reference = "fake-" + p.Intent().CallID
	} else {
		o.Error = &sallyport.Failure{Code: "injected", Message: "the fake runner was told to end as " + string(s)}
	}
	return o
}

// RunFunc is what [Runner.RunFunc] holds.
type RunFunc = func(context.Context, sallyport.Permit) (sallyport.Outcome, error)

// EndAs is a fault: the run ends in a state, without an effect.
func EndAs(s sallyport.State) RunFunc {
	return func(_ context.Context, p sallyport.Permit) (sallyport.Outcome, error) {
		return OutcomeOf(p, s), nil
	}
}

// RefuseRun is a fault: nothing was done, because of err.
func RefuseRun(err error) RunFunc {
	return func(context.Context, sallyport.Permit) (sallyport.Outcome, error) {
		return sallyport.Outcome{}, err
	}
}

// Resumable is a [Runner] whose runs outlive the process that started them: a
// [sallyport.Resumable] and a [sallyport.Placer]. It remembers which calls were released.
type Resumable struct {
	*Runner

	Rerun bool   // a run that started may be executed again
	Where string // where calls run
	Image string // what runs there

	mu       sync.Mutex
	released map[string]int
}

// Place says Where.
func (r *Resumable) Place(string) string { return r.Where }

// Placement says Where and Image.
func (r *Resumable) Placement(sallyport.Intent) sallyport.Placement {
	return sallyport.Placement{Place: r.Where, Image: r.Image}
}

// Resumable says Rerun.
func (r *Resumable) Resumable(sallyport.Intent) bool { return r.Rerun }

// Release remembers the call.
func (r *Resumable) Release(_ context.Context, callID string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.released == nil {
		r.released = map[string]int{}
	}
	r.released[callID]++
	return nil
}

// Released is how often a call was released.
func (r *Resumable) Released(callID string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.released[callID]
}
