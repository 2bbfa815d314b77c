// Package activities holds the steps of a call, one file per step. Each of
// them derives what it needs from the call that the API signed, so that a
// Temporal client that starts an activity can do no more than the API can.
package activities

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"reflect"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/workflows/wire"
)

// Ledger is where the steps record and read.
type Ledger interface {
	sallyport.Recorder
	Call(ctx context.Context, id string) (sallyport.Record, error)
}

// Verifier verifies the API's signatures.
type Verifier interface {
	sallyport.CallVerifier
	sallyport.AttestationVerifier
}

// Meter counts calls and times steps.
type Meter interface {
	Call(ctx context.Context, i sallyport.Intent, ended sallyport.State)
	Step(ctx context.Context, step string, took time.Duration, err error)
}

// Options are what the activities need. All are required but those that say
// otherwise.
type Options struct {
	Evaluator
	Verifier  Verifier
	Votes     sallyport.VoteVerifier
	Directory sallyport.Directory
	Ledger    Ledger
	// Runners by the name that manifests use.
	Runners map[string]sallyport.Runner
	// Reconcilers by the name of the runner. Without one, an interrupted run's
	// effect is not looked for.
	Reconcilers map[string]sallyport.Reconciler
	// Signals reads votes from workflow histories. Nil refuses votes by
	// signal.
	Signals Signals
	// PrincipalIssuer is the issuer of the subjects that the Temporal server
	// stamps on signals as principals. Empty refuses votes by signal.
	PrincipalIssuer string
	Meter           Meter
	Random          io.Reader
	// HeartbeatEvery is how often a run shows that it lives.
	HeartbeatEvery time.Duration
}

// Activities are the steps. Their exported methods that take a signed call
// are Temporal activities.
type Activities struct {
	Options

	runs runs
}

// New checks the options.
func New(o Options) (*Activities, error) {
	v := reflect.ValueOf(o)
	for i := range v.NumField() {
		switch name := v.Type().Field(i).Name; name {
		case "Evaluator", "Reconcilers", "Signals", "PrincipalIssuer":
		default:
			if v.Field(i).IsZero() {
				return nil, errors.New("activities: Options." + name + " is missing")
			}
		}
	}
	return &Activities{Options: o}, o.Evaluator.check()
}

// step times one step; call the returned function with its error.
func (a *Activities) step(ctx context.Context, name string) func(error) {
	began := a.Now()
	return func(err error) { a.Meter.Step(ctx, name, a.Now().Sub(began), err) }
}

// open verifies a signed call and that this workflow is its own.
func (a *Activities) open(ctx context.Context, signed sallyport.SignedCall) (sallyport.Call, error) {
	id := activity.GetInfo(ctx).WorkflowExecution.ID
	call, err := a.Verifier.VerifyCall(signed)
	if err == nil && id != wire.WorkflowID(call.ID) {
		err = sallyport.Errorf(sallyport.Denied, sallyport.CodeOtherCall, "workflow %s is not call %s's", id, call.ID)
	}
	if err != nil { // a Temporal client started the step without the API
		a.Logger.ErrorContext(ctx, "rejected a step: the API did not sign its call for this workflow", slog.String("workflow_id", id), slog.Any("error", err))
		return sallyport.Call{}, err
	}
	return call, nil
}

// resolve makes a verified call precise: its agent as the identity table has
// it now, its tool as the catalogue has it now.
func (a *Activities) resolve(ctx context.Context, call sallyport.Call) (subject, error) {
	agent, err := a.Directory.Agent(call.Account)
	if err != nil || agent.ID != call.AgentID {
		return subject{}, sallyport.Errorf(sallyport.Denied, sallyport.CodeUnknownAgent,
			"agent %s is not in the identity table any more", call.AgentID)
	}
	return a.resolveFor(ctx, call, agent)
}
