package kube

import (
	"context"
	"encoding/json"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools"
)

// Reconcile adopts the Job of a run whose worker is gone, and waits for its
// end. Where there is none, the target is asked whether it shows the effect.
func (r *Runner) Reconcile(ctx context.Context, i sallyport.Intent) (*sallyport.Outcome, error) {
	if i.Tool.ReadOnly {
		return nil, nil //nolint:nilnil // the contract of a reconciler
	}
	t := r.runTask(ctx, r.manifestThen(i), i)
	ctx, cancel := context.WithTimeout(ctx, t.limit+slack)
	defer cancel()
	j, err := r.adopt(ctx, t.name, i)
	switch {
	case err == nil:
		o := r.follow(ctx, t, j, j.CreationTimestamp.UTC())
		return &o, nil
	case sallyport.CodeOf(err) == sallyport.CodeOtherJob:
		return nil, nil //nolint:nilnil // nothing of this intent's
	case !apierrors.IsNotFound(err):
		return nil, sallyport.Errorf(sallyport.Unavailable, sallyport.CodeKubernetesUnavailable, "Kubernetes could not be asked for the call's Job: %w", err)
	}
	o, err := r.seen(ctx, t)
	if o != nil { // what the run was lent may have outlived it
		r.settle(ctx, t)
	}
	return o, err
}

// manifestThen is the manifest that a run was begun with, as far as it is still
// known: a run must be ended even if its tool has changed since, or is no more.
func (r *Runner) manifestThen(i sallyport.Intent) tools.Manifest {
	m, err := r.manifest(i)
	if err == nil {
		return m
	}
	m = tools.Manifest{Limits: tools.Limits{Timeout: longestRun, OutputBytes: largestOutput}}
	if i.Tool.Image != "" {
		m.Container = &tools.Container{Image: i.Tool.Image}
	}
	return m
}

// The most that any manifest may allow.
const (
	longestRun    = 15 * time.Minute
	largestOutput = 4 << 20
)

// Resumable reports whether Run may be called once more for a call that has
// started, of which Reconcile shows nothing. The executor's writes are guarded
// against a second run: a Job of the same name is adopted, and one that a
// stopped worker makes late is past the time at which it may begin. Other
// images know of no such time. What destroys is never run again: what has the
// name by now may be another object.
func (r *Runner) Resumable(i sallyport.Intent) bool {
	m, err := r.manifest(i)
	return err == nil && m.Container == nil && !m.Risk.Destructive
}

// Place says where a call runs, or "".
func (r *Runner) Place(callID string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.places[callID]
}

func (r *Runner) at(callID, place string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if place == "" {
		delete(r.places, callID)
		return
	}
	r.places[callID] = place
}

// seize takes the Lease of a run that must not begin any more, and reports
// whether nobody had it: then nothing was done, and nothing will be.
func (r *Runner) seize(ctx context.Context, t task) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	leases := r.o.Client.CoordinationV1().Leases(t.intent.Namespace)
	patch, err := json.Marshal([]map[string]string{
		{"op": "test", "path": "/spec/holderIdentity", "value": ""},
		{"op": "replace", "path": "/spec/holderIdentity", "value": worker},
	})
	if err != nil {
		return false
	}
	err = r.persist(ctx, func(ctx context.Context) error {
		_, err := leases.Patch(ctx, t.name, types.JSONPatchType, patch, metav1.PatchOptions{})
		return err
	})
	if err == nil {
		return true
	}
	l, err := leases.Get(ctx, t.name, metav1.GetOptions{})
	return err == nil && l.Spec.HolderIdentity != nil && *l.Spec.HolderIdentity == worker // an earlier attempt of ours
}

// Release lets go of a run whose outcome is recorded: its Job gets its time to
// live, and what still runs of it, by whatever it posted, is ended.
func (r *Runner) Release(ctx context.Context, callID string) error {
	name := runName(callID)
	j, err := r.o.Client.BatchV1().Jobs(r.o.Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	p := jobPatch{}
	p.Metadata.Finalizers = &[]string{}
	p.Spec.TTLSecondsAfterFinished = new(seconds(r.o.TTL))
	if j.Status.CompletionTime == nil && j.DeletionTimestamp == nil {
		ran := time.Since(j.CreationTimestamp.Time)
		p.Spec.ActiveDeadlineSeconds = new(seconds(ran + exitTime))
		if d := j.Spec.ActiveDeadlineSeconds; d != nil { // unless somebody took it away
			*p.Spec.ActiveDeadlineSeconds = min(*d, *p.Spec.ActiveDeadlineSeconds)
		}
	}
	err = r.patchJob(ctx, name, j.UID, p)
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// exitTime is what a process has to end in after its outcome was taken, by
// what Kubernetes knows of it: a busy node says so late.
const exitTime = time.Minute
