package kube

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sallyport/sallyport"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func podWith(change func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(noon)},
		Spec:       corev1.PodSpec{NodeName: "node-1"},
		Status:     corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{{Name: container}}},
	}
	change(p)
	return p
}

func waiting(reason string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.ContainerStatuses[0].State.Waiting = &corev1.ContainerStateWaiting{Reason: reason, Message: "because of\nthis"}
	}
}

func ended(code int32, reason string, more ...func(*corev1.Pod)) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Phase = corev1.PodFailed
		p.Status.ContainerStatuses[0].State.Terminated = &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, FinishedAt: metav1.NewTime(noon)}
		for _, m := range more {
			m(p)
		}
	}
}

func because(reason string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Phase, p.Status.Reason, p.Status.Message = corev1.PodFailed, reason, "said the node"
	}
}

func deleted(p *corev1.Pod) { p.DeletionTimestamp = new(metav1.NewTime(noon)) }

func condition(kind corev1.PodConditionType, status corev1.ConditionStatus, reason string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: kind, Status: status, Reason: reason, Message: "0/1 nodes"})
	}
}

func both(a, b func(*corev1.Pod)) func(*corev1.Pod) {
	return func(p *corev1.Pod) { a(p); b(p) }
}

func TestClassify(t *testing.T) {
	running := func(p *corev1.Pod) { p.Status.ContainerStatuses[0].State.Running = &corev1.ContainerStateRunning{} }
	silent := func(p *corev1.Pod) { p.Status.ContainerStatuses = nil }
	unscheduled := both(silent, func(p *corev1.Pod) { p.Spec.NodeName = "" })
	for name, tt := range map[string]struct {
		reason              string
		change              func(*corev1.Pod)
		after               time.Duration
		over, began, exited bool
		code, says          string
	}{
		"Creating":      {"it is on its way", waiting("ContainerCreating"), time.Hour, false, false, false, "", ""},
		"Running":       {"it acts", running, time.Hour, false, true, false, "", ""},
		"Silent":        {"a node that says nothing may have started it", silent, time.Second, false, true, false, "", ""},
		"Unscheduled":   {"no node has it", unscheduled, time.Second, false, false, false, "", ""},
		"Succeeded":     {"its log is to be read", ended(0, "Completed"), 0, true, true, true, "", ""},
		"Failed":        {"its log is to be read too", ended(3, "Error"), 0, true, true, true, "", ""},
		"OOM":           {"137 would say nothing", ended(137, "OOMKilled"), 0, true, true, false, sallyport.CodeOutOfMemory, "OOMKilled"},
		"Evicted":       {"the node says why", ended(137, "Error", because("Evicted")), 0, true, true, false, sallyport.CodeEvicted, "said the node"},
		"EvictedBefore": {"it had not been started", both(waiting("ContainerCreating"), because("Evicted")), 0, true, false, false, sallyport.CodeEvicted, "said the node"},
		"Deadline":      {"the kubelet ended it", ended(137, "Error", because("DeadlineExceeded")), 0, true, true, false, sallyport.CodeTimeout, "DeadlineExceeded"},
		"Deleted":       {"another client of the API server ended it", ended(137, "Error", deleted), 0, true, true, false, sallyport.CodePodLost, "deleted while"},
		"DeletedLate":   {"its node never said how it ended", both(running, deleted), time.Minute, true, true, false, sallyport.CodePodLost, "deleted"},
		"DeletedNow":    {"its node may still say how it ended", both(running, deleted), time.Second, false, true, false, "", ""},
		"Unknown":       {"the node lost track", ended(137, "ContainerStatusUnknown"), 0, true, true, false, sallyport.CodeNodeLost, "does not know"},
		"NodeLost":      {"the node is unreachable", both(running, because("NodeLost")), 0, true, true, false, sallyport.CodeNodeLost, "node-1"},
		"NodeGone": {
			"its node does not respond, and Kubernetes evicts the pod",
			both(both(running, deleted), condition(corev1.DisruptionTarget, corev1.ConditionTrue, "DeletionByTaintManager")), 0, true, true, false, sallyport.CodeNodeLost, "node-1",
		},
		"NoImage":      {"the image may be there in an hour, when the worker waits no more", waiting("ErrImagePull"), 0, true, false, false, sallyport.CodeImageUnavailable, "ErrImagePull: because of this"},
		"BackOff":      {"the same, seen later", waiting("ImagePullBackOff"), 0, true, false, false, sallyport.CodeImageUnavailable, "ImagePullBackOff"},
		"NeverPulled":  {"the node may not even try", waiting("ErrImageNeverPull"), 0, true, false, false, sallyport.CodeImageUnavailable, ""},
		"BadConfig":    {"it will not start", waiting("CreateContainerConfigError"), 0, true, false, false, sallyport.CodeContainerFailed, ""},
		"RunError":     {"the runtime may have started it all the same", waiting("RunContainerError"), 0, true, true, false, sallyport.CodeContainerFailed, ""},
		"NoProgram":    {"there is no such file in the image", ended(128, "StartError"), 0, true, false, false, sallyport.CodeContainerFailed, ""},
		"PodFailed":    {"the reason has no code of its own", both(unscheduled, because("OutOfcpu")), 0, true, false, false, sallyport.CodePodLost, "OutOfcpu: said the node"},
		"Unscheduable": {"no node for too long", both(unscheduled, condition(corev1.PodScheduled, corev1.ConditionFalse, "Unschedulable")), 11 * time.Second, true, false, false, sallyport.CodeUnschedulable, "Unschedulable: 0/1 nodes"},
		"NotYet":       {"a node may come free", both(unscheduled, condition(corev1.PodScheduled, corev1.ConditionFalse, "Unschedulable")), 9 * time.Second, false, false, false, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := classify(podWith(tt.change), noon.Add(tt.after), 10*time.Second)
			code, says := "", ""
			if e.failure != nil {
				code, says = e.failure.Code, e.failure.Message
			}
			if e.over != tt.over || e.began != tt.began || e.exited != tt.exited || code != tt.code || !strings.Contains(says, tt.says) {
				t.Errorf("over %t, began %t, exited %t, %q: %s; want %t, %t, %t, %q: %s: %s",
					e.over, e.began, e.exited, code, says, tt.over, tt.began, tt.exited, tt.code, tt.says, tt.reason)
			}
		})
	}
}
