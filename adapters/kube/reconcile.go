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
// end. Where there is no Job, it looks for the run's effect on the target.
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
		return nil, nil //nolint:nilnil // the Job belongs to another intent
	case !apierrors.IsNotFound(err):
		return nil, sallyport.Errorf(sallyport.Unavailable, sallyport.CodeKubernetesUnavailable, "could not get Job %s in namespace %s from the Kubernetes API server: %w", t.name, r.o.Namespace, err)
	}
	o, err := r.findEffect(ctx, t)
	if o != nil { // the run's permissions may still be granted
		r.revokeRun(ctx, t)
	}
	return o, err
}

// manifestThen returns the manifest that a run began with, or the widest limits
// where the catalogue has it no more: the worker must end a run even if its tool
// was changed or removed since.
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

// Resumable reports whether a worker may run a call again that has started and
// of which Reconcile finds no effect. A built-in tool may: a worker adopts a Job
// of the same name, and a Job that a stopped worker creates late is past the time
// at which it may begin. Images of their own check no such time. A destructive
// tool never runs again: another object may have the name by now.
func (r *Runner) Resumable(i sallyport.Intent) bool {
	m, err := r.manifest(i)
	return err == nil && m.Container == nil && !m.Risk.Destructive
}

// Place returns where a call runs, or "".
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

// acquireLease acquires the Lease of a run that must not begin any more, by
// compare-and-swap, and reports whether no pod held it: then no pod of the call
// has acted, and none will.
func (r *Runner) acquireLease(ctx context.Context, t task) bool {
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
	return err == nil && l.Spec.HolderIdentity != nil && *l.Spec.HolderIdentity == worker // an earlier attempt acquired it
}

// Release ends a run whose outcome is recorded: it gives the Job its time to
// live, and a deadline if its pod still runs.
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
		if d := j.Spec.ActiveDeadlineSeconds; d != nil { // another client of the API server may have removed it
			*p.Spec.ActiveDeadlineSeconds = min(*d, *p.Spec.ActiveDeadlineSeconds)
		}
	}
	err = r.patchJob(ctx, name, j.UID, p)
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// exitTime is how long a process may take to end after the worker has its
// response. It is long because a busy node reports the end late.
const exitTime = time.Minute
