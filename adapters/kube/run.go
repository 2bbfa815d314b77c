package kube

import (
	"context"
	"log/slog"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools"
	"github.com/sallyport/sallyport/tools/wire"
)

// recordTime is how long recording a run's place is tried.
const recordTime = 10 * time.Second

// Run lets the tool act as the permit says.
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
		return r.undone(ctx, t, err)
	}
	r.o.Logger.DebugContext(ctx, "a run has its Job", slog.String("job", t.name), slog.Duration("took", time.Since(started)))
	return r.follow(ctx, t, j, started), nil
}

func (r *Runner) runTask(ctx context.Context, m tools.Manifest, i sallyport.Intent) task {
	return task{
		name: runName(i.CallID), mode: wire.ModeRun, intent: i, manifest: m, trace: traceParent(ctx), limit: m.Limits.Timeout,
		expires: time.Now().Add(m.Limits.Timeout + slack),
	}
}

// signed refuses an image that policy wants signed and isn't.
func (r *Runner) signed(ctx context.Context, m tools.Manifest, o sallyport.Obligations) error {
	if m.Container == nil || !o.SignedImage {
		return nil
	}
	if r.o.Images == nil {
		return sallyport.Errorf(sallyport.Denied, sallyport.CodeImageUnverified,
			"policy wants the image of %s to be signed, and this gateway knows no keys: set kubernetes.image_keys", m.Name)
	}
	return r.o.Images.Verify(ctx, m.Container.Image)
}

// create lends a task what it needs and makes its Job, or adopts the one that
// is there. After an error there is none, or undone finds out.
func (r *Runner) create(ctx context.Context, t task) (*batchv1.Job, error) {
	j, err := r.job(t) // before anything is made for it
	if err != nil {
		return nil, err
	}
	if err := r.grant(ctx, t); err != nil {
		return nil, r.refusal(ctx, t, err, "what the call is to be lent")
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
		return nil, r.refusal(ctx, t, err, "the call's Job")
	}
	return made, nil
}

// adopt finds the Job of a name, and refuses one that is another intent's.
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
		return nil, sallyport.Errorf(sallyport.Conflict, sallyport.CodeOtherJob, "there is a Job %s in %s already, and it is not this call's", name, r.o.Namespace)
	}
	return j, nil
}

// undone ends a run that could not be made. Where the API server gave no
// answer, nobody knows whether there is a Job: it is looked for, and stopped. A
// request without an answer may make one yet, so that it is looked for again
// when there is nothing left by which it could begin.
func (r *Runner) undone(ctx context.Context, t task, cause error) (sallyport.Outcome, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTime)
	defer cancel()
	answered := sallyport.KindOf(cause) != sallyport.Unavailable
	j, err := r.adopt(ctx, t.name, t.intent)
	if absent := apierrors.IsNotFound(err); absent || err != nil && answered {
		settled := r.settle(ctx, t)
		if absent && settled && !answered {
			j, err = r.adopt(ctx, t.name, t.intent)
		}
		if answered || settled && apierrors.IsNotFound(err) {
			return sallyport.Outcome{}, cause
		}
	}
	if err != nil { // it stays as it is, and the sweep comes back to it
		return r.lost(ctx, t, time.Now().UTC(), cause), nil
	}
	stopped, stop := context.WithCancel(ctx)
	stop()
	return r.follow(stopped, t, j, j.CreationTimestamp.UTC()), nil
}

// lost is the outcome of a run of which nobody knows whether there was one.
func (r *Runner) lost(ctx context.Context, t task, started time.Time, cause error) sallyport.Outcome {
	r.settle(ctx, t)
	r.o.Logger.WarnContext(ctx, "nobody knows whether a call ran", slog.String("call_id", t.intent.CallID), slog.Any("error", cause))
	o := sallyport.Outcome{State: sallyport.Ambiguous, StartedAt: started, FinishedAt: time.Now().UTC(), Error: &sallyport.Failure{
		Code: sallyport.CodeOf(cause), Message: "Kubernetes did not answer, and nobody knows whether the call ran", // where it is, is for operators
	}}
	if t.intent.Tool.ReadOnly {
		o.State = sallyport.Failed
	}
	return o
}

// follow waits for the end of a Job, takes back what it was lent, and says how
// it ended.
func (r *Runner) follow(ctx context.Context, t task, j *batchv1.Job, started time.Time) sallyport.Outcome {
	r.at(t.intent.CallID, r.place(j.Name, string(j.UID)))
	defer r.at(t.intent.CallID, "")
	began := time.Now()
	placed := r.record(ctx, t, j)
	a := r.await(ctx, t, j)
	<-placed // the outcome comes after it
	ended := time.Now()
	if t.claims() && a.doubtful() {
		a.broken, a.began = true, !r.seize(ctx, t)
	}
	r.settle(ctx, t)
	r.o.Logger.DebugContext(ctx, "a run has ended", slog.String("job", t.name), slog.Duration("awaited", ended.Sub(began)), slog.Duration("revoked", time.Since(ended)))
	o := r.conclude(ctx, t, a)
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

// record says in the ledger which Job a run has, while the run goes on. Where
// that fails, the outcome can't be recorded either, and whoever comes to record
// it adopts the Job and is here again.
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
			r.o.Logger.ErrorContext(ctx, "the ledger does not say yet which Job a call has", slog.String("call_id", t.intent.CallID), slog.Any("error", err))
		}
	}()
	return recorded
}

// imageOf is what a Job runs.
func imageOf(j *batchv1.Job) string {
	for _, c := range j.Spec.Template.Spec.Containers {
		if c.Name == container {
			return c.Image
		}
	}
	return ""
}

// settle takes back what a run was lent, before anybody hears how it ended, and
// reports whether nothing of it is left.
func (r *Runner) settle(ctx context.Context, t task) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTime)
	defer cancel()
	err := r.revoke(ctx, t.name, t.intent.Namespace)
	if err != nil {
		r.o.Logger.ErrorContext(ctx, "what a call was lent could not be taken back yet, and is left to the sweep",
			slog.String("call_id", t.intent.CallID), slog.Any("error", err))
	}
	return err == nil
}
