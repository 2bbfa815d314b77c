package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/sallyport/sallyport"
)

// exit is how a pod ended, as its status says.
type exit struct {
	over    bool               // the pod has ended or will never start
	began   bool               // the process may have run
	exited  bool               // the process ended by itself, and its log is whole
	code    int32              // its exit code
	at      time.Time          // when it ended
	failure *sallyport.Failure // why the tool's own output does not count
}

func over(began bool, code, format string, args ...any) exit {
	return exit{over: true, began: began, failure: &sallyport.Failure{Code: code, Message: fmt.Sprintf(format, args...)}}
}

// classify finds out from a pod's status how it ended, if it did. patience is how
// long a pod may be unschedulable.
func classify(p *corev1.Pod, now time.Time, patience time.Duration) exit {
	if i := slices.IndexFunc(p.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool { return s.Name == container }); i >= 0 {
		if e := classifyContainer(p, p.Status.ContainerStatuses[i].State); e.over {
			return e
		}
	}
	began := hasBegun(p)
	switch {
	case p.Status.Reason == "Evicted":
		return over(began, sallyport.CodeEvicted, "the node evicted the pod: %s", said(p.Status.Message))
	case p.Status.Reason == "NodeLost", p.DeletionTimestamp != nil && notReady(p):
		return over(began, sallyport.CodeNodeLost, "the node %s was lost", said(p.Spec.NodeName))
	case p.Status.Phase == corev1.PodFailed:
		return over(began, sallyport.CodePodLost, "the pod failed: %s", said(p.Status.Reason+": "+p.Status.Message))
	case p.DeletionTimestamp != nil && now.Sub(p.DeletionTimestamp.Time) > goneAfter:
		return over(began, sallyport.CodePodLost, "the pod was deleted")
	}
	return classifySchedule(p, now, patience)
}

// goneAfter is how long after a pod's deletion its node may still report how it
// ended.
const goneAfter = 5 * time.Second

func classifyContainer(p *corev1.Pod, s corev1.ContainerState) exit {
	switch {
	case s.Terminated != nil:
		return classifyEnd(p, s.Terminated)
	case s.Waiting == nil:
		return exit{began: true}
	}
	switch s.Waiting.Reason {
	case "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed":
		return over(false, sallyport.CodeImageUnavailable, "could not pull the image: %s: %s", s.Waiting.Reason, said(s.Waiting.Message))
	case "RunContainerError", "PostStartHookError": // the runtime may have started it all the same
		return over(true, sallyport.CodeContainerFailed, "could not start the container: %s: %s", s.Waiting.Reason, said(s.Waiting.Message))
	case "CreateContainerConfigError", "CreateContainerError", "PreCreateHookError", "PreStartHookError", "StartError":
		return over(false, sallyport.CodeContainerFailed, "could not start the container: %s: %s", s.Waiting.Reason, said(s.Waiting.Message))
	}
	return exit{}
}

func classifyEnd(p *corev1.Pod, t *corev1.ContainerStateTerminated) exit {
	switch {
	case t.Reason == "OOMKilled":
		return over(true, sallyport.CodeOutOfMemory, "the tool used more memory than its manifest allows, and was killed (OOMKilled)")
	case t.Reason == "StartError" || t.Reason == "ContainerCannotRun":
		return over(false, sallyport.CodeContainerFailed, "could not start the container: %s: %s", t.Reason, said(t.Message))
	case t.Reason == "ContainerStatusUnknown":
		return over(true, sallyport.CodeNodeLost, "the node does not know how the container ended: %s", said(t.Message))
	case p.Status.Reason == "Evicted":
		return over(true, sallyport.CodeEvicted, "the node evicted the pod: %s", said(p.Status.Message))
	case p.Status.Reason == "DeadlineExceeded":
		return over(true, sallyport.CodeTimeout, "the tool did not end within its time limit (DeadlineExceeded)")
	case t.ExitCode > 128 && p.DeletionTimestamp != nil:
		return over(true, sallyport.CodePodLost, "the pod was deleted while the tool ran (exit code %d)", t.ExitCode)
	}
	return exit{over: true, began: true, exited: true, code: t.ExitCode, at: t.FinishedAt.UTC()}
}

func classifySchedule(p *corev1.Pod, now time.Time, patience time.Duration) exit {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && now.Sub(p.CreationTimestamp.Time) > patience {
			return over(false, sallyport.CodeUnschedulable, "Kubernetes found no node for the pod: %s: %s", said(c.Reason), said(c.Message))
		}
	}
	return exit{began: hasBegun(p)}
}

// hasBegun reports whether the process may have run: also where a pod's node has
// not reported anything yet.
func hasBegun(p *corev1.Pod) bool {
	for _, s := range p.Status.ContainerStatuses {
		if s.Name == container && (s.State.Waiting == nil || s.Started != nil && *s.Started || s.LastTerminationState.Terminated != nil) {
			return true
		}
	}
	return p.Spec.NodeName != "" && len(p.Status.ContainerStatuses) == 0
}

func notReady(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue && c.Reason == "DeletionByTaintManager"
	})
}

// said makes one short, visible line of a text of the cluster's, which may quote
// a registry or a container.
func said(text string) string {
	return sallyport.Shorten(strings.Join(strings.Fields(sallyport.Visible(text)), " "), 400)
}

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
