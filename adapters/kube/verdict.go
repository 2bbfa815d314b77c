package kube

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sallyport/sallyport"
)

// verdict is what a pod's status says of its run.
type verdict struct {
	over    bool               // nothing more will come of it
	began   bool               // the process may have run
	exited  bool               // the process ended by itself, and its log is whole
	exit    int32              // its code
	at      time.Time          // when it ended
	failure *sallyport.Failure // why it can't be the tool's own word that counts
}

func over(began bool, code, format string, args ...any) verdict {
	return verdict{over: true, began: began, failure: &sallyport.Failure{Code: code, Message: fmt.Sprintf(format, args...)}}
}

// judge reads a pod's status at a time. patience is how long a pod may find no
// node.
func judge(p *corev1.Pod, now time.Time, patience time.Duration) verdict {
	if i := slices.IndexFunc(p.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool { return s.Name == container }); i >= 0 {
		if v := judgeContainer(p, p.Status.ContainerStatuses[i].State); v.over {
			return v
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
	return judgeSchedule(p, now, patience)
}

// goneAfter is how long after a pod's last moment its node may still say how
// it ended.
const goneAfter = 5 * time.Second

func judgeContainer(p *corev1.Pod, s corev1.ContainerState) verdict {
	switch {
	case s.Terminated != nil:
		return judgeEnd(p, s.Terminated)
	case s.Waiting == nil:
		return verdict{began: true}
	}
	switch s.Waiting.Reason {
	case "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed":
		return over(false, sallyport.CodeImageUnavailable, "the image can't be had: %s: %s", s.Waiting.Reason, said(s.Waiting.Message))
	case "RunContainerError", "PostStartHookError": // the runtime may have started it, and said so too late
		return over(true, sallyport.CodeContainerFailed, "the container can't be started: %s: %s", s.Waiting.Reason, said(s.Waiting.Message))
	case "CreateContainerConfigError", "CreateContainerError", "PreCreateHookError", "PreStartHookError", "StartError":
		return over(false, sallyport.CodeContainerFailed, "the container can't be started: %s: %s", s.Waiting.Reason, said(s.Waiting.Message))
	}
	return verdict{}
}

func judgeEnd(p *corev1.Pod, t *corev1.ContainerStateTerminated) verdict {
	switch {
	case t.Reason == "OOMKilled":
		return over(true, sallyport.CodeOutOfMemory, "the tool used more memory than its manifest allows, and was killed (OOMKilled)")
	case t.Reason == "StartError" || t.Reason == "ContainerCannotRun":
		return over(false, sallyport.CodeContainerFailed, "the container can't be started: %s: %s", t.Reason, said(t.Message))
	case t.Reason == "ContainerStatusUnknown":
		return over(true, sallyport.CodeNodeLost, "the node does not know how the container ended: %s", said(t.Message))
	case p.Status.Reason == "Evicted":
		return over(true, sallyport.CodeEvicted, "the node evicted the pod: %s", said(p.Status.Message))
	case p.Status.Reason == "DeadlineExceeded":
		return over(true, sallyport.CodeTimeout, "the tool did not end in time (DeadlineExceeded)")
	case t.ExitCode > 128 && p.DeletionTimestamp != nil:
		return over(true, sallyport.CodePodLost, "the pod was deleted while the tool ran (exit code %d)", t.ExitCode)
	}
	return verdict{over: true, began: true, exited: true, exit: t.ExitCode, at: t.FinishedAt.UTC()}
}

func judgeSchedule(p *corev1.Pod, now time.Time, patience time.Duration) verdict {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && now.Sub(p.CreationTimestamp.Time) > patience {
			return over(false, sallyport.CodeUnschedulable, "no node takes the pod: %s: %s", said(c.Reason), said(c.Message))
		}
	}
	return verdict{began: hasBegun(p)}
}

// hasBegun reports whether the process may have run. A pod whose node has not
// said anything yet may have.
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

// said makes one short line of a text of the cluster's, which may hold what a
// registry or a container wrote.
func said(text string) string {
	return sallyport.Shorten(strings.Join(strings.Fields(sallyport.Visible(text)), " "), 400)
}
