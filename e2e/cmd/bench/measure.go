package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/e2e/cluster"
	"github.com/sallyport/sallyport/e2e/platform"
)

// place is the namespace of bare Jobs.
const place = "bench"

// patience is how long one of anything may take.
const patience = 2 * time.Minute

type bench struct {
	platform *platform.Platform
	agent    *client.Client
	ids      []string // of the calls
}

func (b *bench) namespace(ctx context.Context) error {
	_, err := b.platform.Kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{Name: place, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	return b.until(ctx, func(ctx context.Context) bool {
		_, err := b.platform.Kube.CoreV1().ServiceAccounts(place).Get(ctx, "default", metav1.GetOptions{})
		return err == nil
	})
}

func (b *bench) until(ctx context.Context, so func(context.Context) bool) error {
	return wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) { return so(ctx), nil })
}

// bare makes a Job that says what time it is and ends, with the token of its
// account or without. Its time is from the
// request to what it says, on the clock of this machine, which is the node's.
func (b *bench) bare(ctx context.Context, token bool) (time.Duration, error) {
	jobs := b.platform.Kube.BatchV1().Jobs(place)
	began := time.Now()
	j, err := jobs.Create(ctx, job(token), metav1.CreateOptions{})
	if err != nil {
		return 0, err
	}
	if err := b.complete(ctx, place, "batch.kubernetes.io/job-name="+j.Name); err != nil {
		return 0, err
	}
	text, err := b.log(ctx, j.Name)
	if err != nil {
		return 0, err
	}
	said, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0, err
	}
	return time.Unix(0, said).Sub(began), jobs.Delete(ctx, j.Name, metav1.DeleteOptions{PropagationPolicy: new(metav1.DeletePropagationForeground)})
}

// complete waits until all Jobs of a selector are complete, so that the machine
// is at rest again.
func (b *bench) complete(ctx context.Context, namespace, selector string) error {
	return b.until(ctx, func(ctx context.Context) bool {
		l, err := b.platform.Kube.BatchV1().Jobs(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
		if err != nil || len(l.Items) == 0 {
			return false
		}
		for _, j := range l.Items {
			if j.Status.Succeeded == 0 {
				return false
			}
		}
		return true
	})
}

func (b *bench) log(ctx context.Context, job string) (string, error) {
	pods := b.platform.Kube.CoreV1().Pods(place)
	l, err := pods.List(ctx, metav1.ListOptions{LabelSelector: "batch.kubernetes.io/job-name=" + job})
	if err != nil || len(l.Items) != 1 {
		return "", fmt.Errorf("the Job %s has %d pods: %w", job, len(l.Items), err)
	}
	s, err := pods.GetLogs(l.Items[0].Name, &corev1.PodLogOptions{}).Stream(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = s.Close() }() // it was read
	text, err := io.ReadAll(s)
	return string(text), err
}

// job is as locked up as a call's, and has nothing else of what a call has.
func job(token bool) *batchv1.Job {
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "bare-"},
		Spec: batchv1.JobSpec{BackoffLimit: new(int32(0)), Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever, AutomountServiceAccountToken: &token, EnableServiceLinks: new(false),
			SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: new(true), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{
				Name: "tool", Image: cluster.Testbox, Args: []string{"now"}, ImagePullPolicy: corev1.PullNever,
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
		}}},
	}
}

// call is one as an agent makes it.
func (b *bench) call(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	c, err := b.agent.Submit(ctx, client.Submission{
		Tool: "k8s_get_deployment", Arguments: json.RawMessage(`{"namespace":"production","name":"api-server"}`), Wait: time.Minute,
	})
	took := time.Since(began)
	if err != nil {
		return 0, err
	}
	if c.State != sallyport.StateSucceeded {
		return 0, fmt.Errorf("call %s ended %s: %+v", c.ID, c.State, c.Error)
	}
	b.ids = append(b.ids, c.ID)
	return took, b.complete(ctx, platform.Execution, "sallyport.dev/call="+c.ID)
}
