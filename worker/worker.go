// Package worker runs the workflows and activities of calls, ends calls that
// lost their workflow, and sends notifications about calls that wait for
// approval. It is the policy enforcement point.
package worker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"golang.org/x/sync/errgroup"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/activities"
	"github.com/sallyport/sallyport/workflows"
	"github.com/sallyport/sallyport/workflows/wire"
)

// Options are what a worker needs. All but Notify are required.
type Options struct {
	Client     client.Client // with the data converter of adapters/temporal
	Activities *activities.Activities
	Sweep      SweepOptions
	Notify     *NotifyOptions // nil sends no notifications
	Logger     *slog.Logger
}

// Worker polls the task queue of calls.
type Worker struct {
	worker   worker.Worker
	sweeper  *sweeper
	notifier *notifier // nil sends no notifications
	fatal    chan error
}

// stickyCacheSize bounds the memory that waiting workflows take: about 85 KB
// each.
const stickyCacheSize = 2000

// maxActivities bounds how many calls plan and run at once in one worker: each
// of them is a process.
const maxActivities = 100

// heartbeatTime is between two heartbeats, and how long Temporal has to respond
// to one. A run learns of its cancellation within that time.
const heartbeatTime = 3 * time.Second

// New prepares a worker; it does nothing yet.
func New(o Options) (*Worker, error) {
	if o.Client == nil || o.Activities == nil || o.Logger == nil {
		return nil, errors.New("worker: Options.Client, Activities and Logger are required")
	}
	s, err := newSweeper(o)
	if err != nil {
		return nil, err
	}
	var n *notifier
	if o.Notify != nil {
		if n, err = newNotifier(*o.Notify, o.Logger); err != nil {
			return nil, err
		}
	}
	worker.SetStickyWorkflowCacheSize(stickyCacheSize)
	fatal := make(chan error, 1)
	w := worker.New(o.Client, wire.TaskQueue, worker.Options{
		OnFatalError:                       func(err error) { fatal <- err },
		MaxConcurrentActivityExecutionSize: maxActivities,
		WorkerStopTimeout:                  20 * time.Second,
		MaxHeartbeatThrottleInterval:       heartbeatTime,
		DefaultHeartbeatThrottleInterval:   heartbeatTime,
		DisableRegistrationAliasing:        true,
	})
	Register(w, o.Activities)
	return &Worker{worker: w, sweeper: s, notifier: n, fatal: fatal}, nil
}

// Registry takes workflows and activities: a worker, a replayer or a test
// environment.
type Registry interface {
	RegisterWorkflowWithOptions(w any, o workflow.RegisterOptions)
	RegisterActivityWithOptions(a any, o activity.RegisterOptions)
}

// Register registers the workflow and the activities of calls by their names.
func Register(r Registry, a *activities.Activities) {
	r.RegisterWorkflowWithOptions(workflows.ToolCall, workflow.RegisterOptions{Name: wire.ToolCallName})
	for name, f := range map[string]any{
		"Validate": a.Validate, "Decide": a.Decide, "Plan": a.Plan, "Ask": a.Ask, "Count": a.Count, "Run": a.Run, "Finish": a.Finish,
	} {
		r.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
	}
}

// Run polls until ctx ends, then lets running activities finish.
func (w *Worker) Run(ctx context.Context) error {
	if w.notifier != nil {
		w.notifier.begin(ctx)
	}
	if err := w.worker.Start(); err != nil {
		return sallyport.Errorf(sallyport.Unavailable, sallyport.CodeUnavailable, "the worker can't poll Temporal: %w", err)
	}
	defer w.worker.Stop()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return w.sweeper.run(ctx) })
	if w.notifier != nil {
		group.Go(func() error { w.notifier.run(ctx); return nil })
	}
	group.Go(func() error {
		select {
		case err := <-w.fatal: // it polls no more, and must not look alive
			return sallyport.Errorf(sallyport.Unavailable, sallyport.CodeUnavailable, "the worker was refused by Temporal: %w", err)
		case <-ctx.Done():
			return nil
		}
	})
	return group.Wait()
}
