package kube

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools"
	"github.com/sallyport/sallyport/tools/wire"
)

// recordTime bounds the attempts to record a run's placement.
const recordTime = 10 * time.Second

// Run implements [sallyport.Runner].
func (r *Runner) Run(ctx context.Context, p sallyport.Permit) (sallyport.Outcome, error) {
	if err := p.Check(); err != nil {
		return sallyport.Outcome{}, err
	}
	i := p.Intent()
	m, err := r.manifest(i)
	if err != nil {
		return sallyport.Outcome{}, err
	}
	if err := r.signed(ctx, m, p.Decision().Obligations); err != nil {
		return sallyport.Outcome{}, err
	}
	t := r.runTask(ctx, m, i)
	t.plan = p.Plan()
	if s := p.Decision().Obligations.TimeoutSeconds; s > 0 {
		t.limit = min(t.limit, time.Duration(s)*time.Second)
	}
	if t.trace == "" {
		t.trace = p.Call().TraceParent
	}
	t.begin = p.At().Add(beginTime + r.o.TTL)
	r.at(i.CallID, r.place(t.name, ""))
	defer r.at(i.CallID, "")
	started := time.Now().UTC()
	j, err := r.create(ctx, t)
	if err != nil {
		return r.notCreated(ctx, t, err)
	}
	r.o.Logger.DebugContext(ctx, "created the Job of a run", slog.String("job", t.name), slog.Duration("took", time.Since(started)))
	return r.follow(ctx, t, j, started), nil
}

func (r *Runner) runTask(ctx context.Context, m tools.Manifest, i sallyport.Intent) task {
	return task{
		name: runName(i.CallID), mode: wire.ModeRun, intent: i, manifest: m, limit: m.Limits.Timeout,
		trace: sallyport.TraceParent(trace.SpanContextFromContext(ctx)), expires: time.Now().Add(m.Limits.Timeout + slack),
	}
}

// signed refuses an image without a valid signature where policy requires one.
func (r *Runner) signed(ctx context.Context, m tools.Manifest, o sallyport.Obligations) error {
	if m.Container == nil || !o.SignedImage {
		return nil
	}
	if r.o.Images == nil {
		return sallyport.Errorf(sallyport.Denied, sallyport.CodeImageUnverified,
			"policy requires a signed image for tool %s, and the gateway has no keys to verify it with: set kubernetes.image_keys", m.Name)
	}
	return r.o.Images.Verify(ctx, m.Container.Image)
}

// create grants a task its permissions and creates its Job, or adopts the Job of
// an earlier attempt. After an error, notCreated finds out whether there is one.
func (r *Runner) create(ctx context.Context, t task) (*batchv1.Job, error) {
	j, err := r.job(t) // before anything is granted for it
	if err != nil {
		return nil, err
	}
	if err := r.grant(ctx, t); err != nil {
		return nil, r.rejected(ctx, t, err, "the call's ServiceAccount, Role or NetworkPolicy")
	}
	var made *batchv1.Job
	err = r.persist(ctx, func(ctx context.Context) (err error) {
		made, err = r.o.Client.BatchV1().Jobs(r.o.Namespace).Create(ctx, j, metav1.CreateOptions{})
		return err
	})
	if apierrors.IsAlreadyExists(err) {
		return r.adopt(ctx, t.name, t.intent)
	}
	if err != nil {
		return nil, r.rejected(ctx, t, err, "the call's Job")
	}
	return made, nil
}

// adopt returns the Job of this name, and refuses one of another intent.
func (r *Runner) adopt(ctx context.Context, name string, i sallyport.Intent) (*batchv1.Job, error) {
	var j *batchv1.Job
	err := r.persist(ctx, func(ctx context.Context) (err error) {
		j, err = r.o.Client.BatchV1().Jobs(r.o.Namespace).Get(ctx, name, metav1.GetOptions{})
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case !isOf(j, i):
		return nil, sallyport.Errorf(sallyport.Conflict, sallyport.CodeOtherJob, "Job %s in namespace %s exists already and belongs to another call", name, r.o.Namespace)
	}
	return j, nil
}

// notCreated ends a run whose Job could not be created. Without a response of
// the API server the Job may exist all the same, or the request may create it later:
// the worker looks for it, and looks again after it has revoked the permissions
// without which a Job cannot begin.
func (r *Runner) notCreated(ctx context.Context, t task, cause error) (sallyport.Outcome, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTime)
	defer cancel()
	responded := sallyport.KindOf(cause) != sallyport.Unavailable
	j, err := r.adopt(ctx, t.name, t.intent)
	if absent := apierrors.IsNotFound(err); absent || err != nil && responded {
		revoked := r.revokeRun(ctx, t)
		if absent && revoked && !responded {
			j, err = r.adopt(ctx, t.name, t.intent)
		}
		if responded || revoked && apierrors.IsNotFound(err) {
			return sallyport.Outcome{}, cause
		}
	}
	if err != nil { // the sweeper will release a Job that there may be
		return r.lost(ctx, t, time.Now().UTC(), cause), nil
	}
	stopped, stop := context.WithCancel(ctx)
	stop()
	return r.follow(stopped, t, j, j.CreationTimestamp.UTC()), nil
}

// lost is the outcome of a run whose Job may or may not exist: ambiguous, unless
// the tool only reads.
func (r *Runner) lost(ctx context.Context, t task, started time.Time, cause error) sallyport.Outcome {
	r.revokeRun(ctx, t)
	r.o.Logger.WarnContext(ctx, "could not find out whether a call ran", slog.String("call_id", t.intent.CallID), slog.Any("error", cause))
	o := sallyport.Outcome{State: sallyport.StateAmbiguous, StartedAt: started, FinishedAt: time.Now().UTC(), Error: &sallyport.Failure{
		Code: sallyport.CodeOf(cause), Message: "the Kubernetes API server did not respond, and the worker could not find out whether the call ran", // its address is for operators
	}}
	if t.intent.Tool.ReadOnly {
		o.State = sallyport.StateFailed
	}
	return o
}

// follow waits for the end of a Job, revokes its permissions, and returns its
// outcome.
func (r *Runner) follow(ctx context.Context, t task, j *batchv1.Job, started time.Time) sallyport.Outcome {
	r.at(t.intent.CallID, r.place(j.Name, string(j.UID)))
	defer r.at(t.intent.CallID, "")
	began := time.Now()
	placed := r.record(ctx, t, j)
	a := r.await(ctx, t, j)
	<-placed // the ledger has the placement before the outcome
	ended := time.Now()
	if t.leased() && a.uncertain() {
		a.broken, a.began = true, !r.acquireLease(ctx, t)
	}
	r.revokeRun(ctx, t)
	r.o.Logger.DebugContext(ctx, "a run has ended", slog.String("job", t.name), slog.Duration("awaited", ended.Sub(began)), slog.Duration("revoked", time.Since(ended)))
	o := r.outcome(ctx, t, a)
	o.Place, o.StartedAt, o.FinishedAt = r.place(j.Name, string(j.UID)), started, time.Now().UTC()
	if !a.at.IsZero() {
		o.FinishedAt = a.at
		if a.at.Before(started) { // Kubernetes counts in seconds
			o.FinishedAt = started
		}
	}
	return o
}

// Placement implements [sallyport.Placer].
func (r *Runner) Placement(i sallyport.Intent) sallyport.Placement {
	t := task{manifest: r.manifestThen(i)}
	return sallyport.Placement{Place: r.place(runName(i.CallID), ""), Image: r.image(t)}
}

// record writes to the ledger which Job a run has, while the run goes on. If the
// ledger is out of reach, the worker cannot record the outcome either; a later
// attempt adopts the Job and records it again.
func (r *Runner) record(ctx context.Context, t task, j *batchv1.Job) (done <-chan struct{}) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	recorded := make(chan struct{})
	go func() {
		defer close(recorded)
		defer cancel()
		p := sallyport.Placement{Place: r.place(j.Name, ""), UID: string(j.UID), Image: imageOf(j)}
		_, err := r.o.Recorder.Record(ctx, sallyport.Entry{
			CallID: t.intent.CallID, Kind: sallyport.EntryPlaced, Key: p.UID, At: time.Now().UTC(), Placed: &p,
		})
		if err != nil {
			r.o.Logger.ErrorContext(ctx, "could not record in the ledger which Job a call has", slog.String("call_id", t.intent.CallID), slog.Any("error", err))
		}
	}()
	return recorded
}

// imageOf returns the image of a Job's tool.
func imageOf(j *batchv1.Job) string {
	for _, c := range j.Spec.Template.Spec.Containers {
		if c.Name == container {
			return c.Image
		}
	}
	return ""
}

// revokeRun revokes a run's permissions, before the worker returns its outcome,
// and reports whether all of them are gone.
func (r *Runner) revokeRun(ctx context.Context, t task) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTime)
	defer cancel()
	err := r.revoke(ctx, t.name, t.intent.Namespace)
	if err != nil {
		r.o.Logger.ErrorContext(ctx, "could not revoke the call's permissions; the sweeper will retry",
			slog.String("call_id", t.intent.CallID), slog.Any("error", err))
	}
	return err == nil
}
