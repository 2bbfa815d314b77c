package activities

import (
	"context"
	"log/slog"
	"time"

	"github.com/sallyport/sallyport"
)

// RunInput is the signed call, and the evidence of the votes. Everything else
// Run derives for itself, now.
type RunInput struct {
	Call     sallyport.SignedCall `json:"call"`
	Evidence []sallyport.Evidence `json:"evidence,omitempty"`
}

// Ended is the part of a call's end that the workflow needs. The ledger has the
// outcome itself.
type Ended struct {
	State sallyport.State `json:"state"`
	Code  string          `json:"code,omitempty"` // why, where it did not succeed
}

// Run repeats every step, now and in one place (validate, decide, plan, count),
// makes the permit, records the start, acts, and records the outcome. An
// error means that the call did not start.
func (a *Activities) Run(ctx context.Context, in RunInput) (end Ended, err error) {
	done := a.step(ctx, "run")
	var call sallyport.Call
	defer func() { done(err); err = forTemporal(call, err) }()
	call, err = a.open(ctx, in.Call)
	if err != nil {
		return end, err
	}
	stop := a.heartbeats(ctx, call.ID)
	defer stop()
	rec, err := a.recorded(ctx, call)
	switch {
	case err != nil:
		return end, err
	case rec.Outcome != nil:
		return ended(*rec.Outcome), nil
	case rec.Start != nil:
		return a.resume(ctx, in, rec)
	}
	permit, runner, err := a.startable(ctx, call, in.Evidence, rec)
	if err != nil {
		return end, err
	}
	receipt, err := a.record(ctx, redactor(permit), startEntry(permit, a.Now(), runner))
	switch {
	case err != nil:
		return end, err
	case receipt.Repeated: // another attempt was faster
		if rec, err = a.recorded(ctx, call); err != nil {
			return end, err
		}
		return a.resume(ctx, in, rec)
	}
	return a.act(ctx, runner, permit, func(why *sallyport.Failure) sallyport.Outcome {
		return sallyport.Outcome{State: sallyport.StateFailed, Error: why}
	})
}

// recorded is the ledger's record of a call, with the call as the API signed it:
// the ledger's own copy is redacted.
func (a *Activities) recorded(ctx context.Context, call sallyport.Call) (sallyport.Record, error) {
	rec, err := a.Ledger.Call(ctx, call.ID)
	rec.Call = call
	return rec, err
}

// permit derives everything that must hold for the call to run.
func (a *Activities) permit(ctx context.Context, call sallyport.Call, evidence []sallyport.Evidence, rec sallyport.Record) (sallyport.Permit, error) {
	s, err := a.resolve(ctx, call)
	if err != nil {
		return sallyport.Permit{}, err
	}
	if err := a.current(s, rec); err != nil {
		return sallyport.Permit{}, err
	}
	var plan *sallyport.Plan
	// A Temporal client that starts a run may leave out the plan that it needs.
	if rec.Plan != nil || s.tool.PlanAlways || rec.Ballot != nil && !s.tool.PlanNever {
		p, err := a.plan(ctx, s)
		if err != nil {
			return sallyport.Permit{}, err
		}
		plan = &p
	}
	if err := planDrift(rec, plan); err != nil {
		return sallyport.Permit{}, err
	}
	d, err := a.evaluate(ctx, s.intent, plan)
	switch {
	case err != nil:
		return sallyport.Permit{}, err
	case d.Effect != sallyport.Allow && d.Effect != sallyport.Ask:
		return sallyport.Permit{}, d.Denial()
	}
	g := sallyport.Grounds{Call: call, Intent: s.intent, Decision: d, Plan: plan, Ballot: rec.Ballot}
	if rec.Ballot != nil {
		if g.Votes, err = a.recount(ctx, s, rec, evidence); err != nil {
			return sallyport.Permit{}, err
		}
	}
	return sallyport.NewPermit(g, a.Now())
}

// namedRunner is a runner with the name that manifests use for it.
type namedRunner struct {
	sallyport.Runner
	name  string
	limit time.Duration
}

// startable makes the permit of a call, and finds its runner. It records a drift.
func (a *Activities) startable(ctx context.Context, call sallyport.Call, evidence []sallyport.Evidence, rec sallyport.Record) (sallyport.Permit, namedRunner, error) {
	var r namedRunner
	p, err := a.permit(ctx, call, evidence, rec)
	if err == nil {
		r, err = a.runnerFor(p)
	}
	return p, r, a.recordDrift(ctx, sallyport.NewRecordRedactor(rec), call.ID, err)
}

func (a *Activities) runnerFor(p sallyport.Permit) (namedRunner, error) {
	tool, ok := a.Catalogue.Tool(p.Intent().Tool.Name)
	if !ok || tool.Digest != p.Intent().Tool.Digest {
		return namedRunner{}, sallyport.Errorf(sallyport.Denied, sallyport.CodeDrift, "tool %s has changed in the catalogue since policy evaluated it", p.Intent().Tool.Name)
	}
	r, err := a.runner(tool)
	limit := tool.Timeout
	if o := time.Duration(p.Decision().Obligations.TimeoutSeconds) * time.Second; o > 0 {
		limit = min(limit, o)
	}
	return namedRunner{r, tool.Runner, limit}, err
}

func startEntry(p sallyport.Permit, now time.Time, r namedRunner) sallyport.Entry {
	s := sallyport.Start{
		Intent: p.Intent().Digest(), People: p.People(), Effect: p.Decision().Effect, Revision: p.Decision().Revision, Runner: r.name,
	}
	if placer, ok := r.Runner.(sallyport.Placer); ok {
		where := placer.Placement(p.Intent())
		s.Place, s.Image = where.Place, where.Image
	}
	if plan := p.Plan(); plan != nil {
		s.Plan = plan.Digest()
	}
	if b := p.Ballot(); b != nil {
		s.Ballot = b.Digest()
	}
	return sallyport.Entry{CallID: p.Call().ID, Kind: sallyport.EntryStart, At: now, Start: &s}
}

// redactor leaves out of the run's entries what is stored nowhere.
func redactor(p sallyport.Permit) sallyport.Redactor {
	return sallyport.NewRedactor(p.Call(), p.Intent().Redact, p.Decision().Obligations)
}

// act runs the call, and records how it ended. Where the runner changed nothing,
// undone makes the outcome.
func (a *Activities) act(ctx context.Context, r namedRunner, p sallyport.Permit, undone func(*sallyport.Failure) sallyport.Outcome) (Ended, error) {
	began := a.Now()
	wanted, done := whileWanted(ctx)
	defer done()
	wanted, over := a.runs.begin(wanted, p.Call().ID)
	defer over()
	running, cancel := context.WithTimeout(wanted, r.limit)
	defer cancel()
	out, err := r.Run(running, p)
	if err != nil { // this attempt changed nothing
		out = undone(failureOf(err))
		a.Logger.WarnContext(ctx, "the runner changed nothing", slog.String("call_id", p.Call().ID),
			slog.String("code", sallyport.CodeOf(err))) // the message is the tool's
	}
	if out.StartedAt.IsZero() {
		out.StartedAt = began
	}
	return a.endRun(ctx, redactor(p), r.name, p.Intent(), p.Call().ID, out)
}

// failureOf is an error as the agent may see it. Only operators see which
// dependency is out of reach, and our own faults.
func failureOf(err error) *sallyport.Failure {
	e := sallyport.AsError(err)
	if e.Kind == sallyport.Unavailable || e.Kind == sallyport.Internal {
		return &sallyport.Failure{Code: e.Code, Message: "a service that the run needs is out of reach"}
	}
	return &sallyport.Failure{Code: e.Code, Message: e.Message}
}

// end records an outcome. Where the ledger already holds one, that one counts. It
// records also after the context is cancelled: the run may have had an effect.
func (a *Activities) end(ctx context.Context, redactor sallyport.Redactor, i sallyport.Intent, callID string, out sallyport.Outcome) (Ended, error) {
	now := a.Now()
	out = a.fitting(i, out)
	out.FinishedAt = now
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	r, err := a.record(ctx, redactor, out.Entry(callID, now))
	if err != nil {
		return Ended{}, err
	}
	if !r.Repeated {
		a.Meter.Call(ctx, a.shown(i), out.State)
		a.Logger.InfoContext(ctx, "call ended", slog.String("call_id", callID), slog.String("agent", i.Agent.ID),
			slog.String("tool", i.Tool.Name), slog.String("state", string(out.State)))
	}
	return ended(*r.Entry.Outcome), nil
}

// fitting is an outcome without a result that is not what the tool's manifest
// promises: a client would take it for that. The effect stays what it is.
func (a *Activities) fitting(i sallyport.Intent, out sallyport.Outcome) sallyport.Outcome {
	if out.State != sallyport.StateSucceeded || len(out.Result) == 0 {
		return out
	}
	if err := a.Catalogue.CheckResult(i.Tool.Name, out.Result); err != nil {
		e := sallyport.AsError(err)
		out.Result, out.Error = nil, &sallyport.Failure{Code: e.Code, Message: e.Message}
	}
	return out
}

func ended(o sallyport.Outcome) Ended {
	e := Ended{State: o.State}
	if o.Error != nil {
		e.Code = o.Error.Code
	}
	return e
}
