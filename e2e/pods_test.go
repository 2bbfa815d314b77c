//go:build e2e

package e2e_test

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/sallyport/sallyport/e2e/cluster"
)

// patience is for a machine that has much else to do.
const patience = 2 * time.Minute

// namespace makes one that is removed after the test, and holds pods to the
// strictest of the Pod Security Standards.
func namespace(t *testing.T) string {
	t.Helper()
	n, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "e2e-", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.CoreV1().Namespaces().Delete(context.Background(), n.Name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "the namespace's service account", func(ctx context.Context) (bool, error) {
		_, err := client.CoreV1().ServiceAccounts(n.Name).Get(ctx, "default", metav1.GetOptions{})
		return err == nil, nil
	})
	return n.Name
}

// eventually waits until ask says yes.
func eventually(t *testing.T, what string, ask func(context.Context) (bool, error)) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, patience, true, ask); err != nil {
		t.Fatalf("waiting for %s: %v", what, err)
	}
}

// pod is one that runs a word of the testbox, as restricted as can be.
func pod(name string, args ...string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": name}}, Spec: spec(cluster.Testbox, args...)}
}

func spec(image string, args ...string) corev1.PodSpec {
	return corev1.PodSpec{
		RestartPolicy:                 corev1.RestartPolicyNever,
		AutomountServiceAccountToken:  new(false),
		TerminationGracePeriodSeconds: new(int64(1)),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: new(true), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{{
			Name: "app", Image: image, Args: args, ImagePullPolicy: corev1.PullNever,
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
				Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			},
		}},
	}
}

// server is a pod that answers HTTP requests on port 8080.
func server(t *testing.T, ns string) *corev1.Pod {
	t.Helper()
	p := pod("server", "serve", ":8080")
	p.Spec.Containers[0].ReadinessProbe = &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromInt32(8080)}}, PeriodSeconds: 1,
	}
	return until(t, create(t, ns, p), func(p *corev1.Pod) bool {
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodReady {
				return c.Status == corev1.ConditionTrue
			}
		}
		return false
	})
}

func create(t *testing.T, ns string, p *corev1.Pod) *corev1.Pod {
	t.Helper()
	p, err := client.CoreV1().Pods(ns).Create(t.Context(), p, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// until waits until a pod is so.
func until(t *testing.T, p *corev1.Pod, so func(*corev1.Pod) bool) *corev1.Pod {
	t.Helper()
	last, is := p, false
	defer func() {
		if !is {
			t.Logf("pod %s: %+v", p.Name, last.Status)
		}
	}()
	eventually(t, "pod "+p.Name, func(ctx context.Context) (bool, error) {
		var err error
		last, err = client.CoreV1().Pods(p.Namespace).Get(ctx, p.Name, metav1.GetOptions{})
		is = err == nil && so(last)
		return is, err
	})
	return last
}

// finish waits until a pod has ended, and returns how, and what it said.
func finish(t *testing.T, p *corev1.Pod) (succeeded bool, said string) {
	t.Helper()
	p = until(t, p, func(p *corev1.Pod) bool {
		return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
	})
	return p.Status.Phase == corev1.PodSucceeded, logs(t, p)
}

func logs(t *testing.T, p *corev1.Pod) string {
	t.Helper()
	said, err := client.CoreV1().Pods(p.Namespace).GetLogs(p.Name, &corev1.PodLogOptions{}).DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(said)
}
