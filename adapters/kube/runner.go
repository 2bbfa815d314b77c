package kube

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools"
	"github.com/sallyport/sallyport/tools/wire"
)

// Runner is a [sallyport.Runner], and the [sallyport.Reconciler] of what it
// runs. It works while Serve does.
type Runner struct {
	o        Options
	pods     *pods
	receiver *resultReceiver // nil: the worker reads every response from the log

	mu     sync.Mutex
	places map[string]string // where calls run, by their id
}

// New checks the options.
func New(o Options) (*Runner, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	p, err := newPods(o.Client, o.Namespace)
	if err != nil {
		return nil, err
	}
	r := &Runner{o: o, pods: p, places: map[string]string{}}
	if o.ResultReceiver != nil {
		if r.receiver, err = newResultReceiver(r, *o.ResultReceiver); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Serve watches pods and receives responses until ctx ends.
func (r *Runner) Serve(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { r.pods.informer.RunWithContext(ctx); return nil })
	if r.receiver != nil {
		group.Go(func() error { return r.receiver.serve(ctx) })
	}
	return group.Wait()
}

// Plan asks the tool what it would change.
func (r *Runner) Plan(ctx context.Context, i sallyport.Intent) (sallyport.Plan, error) {
	m, err := r.manifest(i)
	if err != nil {
		return sallyport.Plan{}, err
	}
	if m.Container != nil {
		return sallyport.Plan{}, sallyport.Errorf(sallyport.Invalid, sallyport.CodeNoPlan, "tool %s runs an image of its own, which cannot plan", i.Tool.Name)
	}
	a, err := r.ask(ctx, m, wire.ModePlan, i)
	if err != nil {
		return sallyport.Plan{}, err
	}
	return a.plan()
}

// ask runs the executor in a mode that changes nothing, and removes its Job.
func (r *Runner) ask(ctx context.Context, m tools.Manifest, mode wire.Mode, i sallyport.Intent) (jobResult, error) {
	t := task{
		name: planName(i.CallID), mode: mode, intent: i, manifest: m, limit: m.Limits.Timeout,
		trace: sallyport.TraceParent(trace.SpanContextFromContext(ctx)), expires: time.Now().Add(m.Limits.Timeout + slack),
	}
	defer r.discard(ctx, t)
	j, err := r.create(ctx, t)
	if err != nil {
		return jobResult{}, err
	}
	return r.await(ctx, t, j), nil
}

// discard removes a plan's Job and revokes its permissions.
func (r *Runner) discard(ctx context.Context, t task) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTime)
	defer cancel()
	err := errors.Join(r.revoke(ctx, t.name, t.intent.Namespace), r.deleteJob(ctx, t.name))
	if err != nil {
		r.o.Logger.WarnContext(ctx, "could not remove the Job of a plan and revoke its permissions; the sweeper will retry", slog.String("job", t.name), slog.Any("error", err))
	}
}

// manifest returns the manifest that an intent was made from.
func (r *Runner) manifest(i sallyport.Intent) (tools.Manifest, error) {
	m, ok := r.o.Catalogue.Manifest(i.Tool.Name)
	switch {
	case !ok:
		return m, sallyport.Errorf(sallyport.NotFound, sallyport.CodeUnknownTool, "there is no tool %q", i.Tool.Name)
	case m.Digest() != i.Tool.Digest:
		return m, sallyport.Errorf(sallyport.Conflict, sallyport.CodeOtherManifest, "the manifest of tool %q has changed since the call was made; make the call again", i.Tool.Name)
	case len(m.Permissions.Kubernetes) > 0 && !r.serves(i.Namespace):
		return m, sallyport.Errorf(sallyport.Denied, sallyport.CodeNamespaceNotServed, "the gateway has no permissions in namespace %q: it is not among kubernetes.targets", i.Namespace)
	}
	return m, nil
}
