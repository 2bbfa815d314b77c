package kube

import (
	"context"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// unstarted makes sure that the process of a Job which could not start, and which
// the worker has ended, did not start after all: until the Job is over, the next
// pull of the image may succeed, or a node may have room. A tool that only reads
// may start late, and the executor acquires its Lease first; an image of its own
// that writes does neither.
func (r *Runner) unstarted(ctx context.Context, t task, j *batchv1.Job, w *waiter) bool {
	if t.builtin() || t.intent.Tool.ReadOnly {
		return true
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		pod, gone := r.pods.pod(j.UID, w)
		switch {
		case pod == nil:
			if now, err := r.adopt(ctx, j.Name, t.intent); err == nil && now.UID == j.UID && isOver(now) {
				return true
			}
		case pod.Status.Phase == corev1.PodFailed, pod.Status.Phase == corev1.PodSucceeded:
			return !hadProcess(pod)
		case gone: // its node may not know yet that the pod was deleted
			return pod.Spec.NodeName == ""
		}
		select {
		case <-w.changed:
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
}

func isOver(j *batchv1.Job) bool {
	return j.Status.Active == 0 && slices.ContainsFunc(j.Status.Conditions, func(c batchv1.JobCondition) bool {
		return c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobFailed || c.Type == batchv1.JobComplete)
	})
}

// hadProcess reports whether a pod that has ended ever had its process. A node
// reports an unknown end for a container that it never made.
func hadProcess(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool {
		if end := s.State.Terminated; end != nil && (end.Reason == "StartError" || end.Reason == "ContainerCannotRun") {
			return false
		}
		return s.Name == container && (s.ContainerID != "" || s.State.Running != nil)
	})
}
