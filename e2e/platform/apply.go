package platform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// patience is how long pods may take to get ready, on a machine that has much
// else to do.
const patience = 3 * time.Minute

// mostRestarts are more than what waits for something needs.
const mostRestarts = 3

// Apply applies manifests as users do, by kubectl.
func (p *Platform) Apply(ctx context.Context, manifests []byte) error {
	c := exec.CommandContext(ctx, p.cluster.Programs.Kubernetes, "kubectl", "--kubeconfig="+p.cluster.Kubeconfig(), //nolint:gosec // what we built
		"apply", "--server-side", "--force-conflicts", "--filename=-")
	c.Stdin = bytes.NewReader(manifests)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl apply: %w: %s", err, out)
	}
	return nil
}

// applyFile applies a file of this package, after the objects that it needs.
func (p *Platform) applyFile(ctx context.Context, name string, before ...any) error {
	text, err := manifests.ReadFile("manifests/" + name)
	if err != nil {
		return err
	}
	documents, err := documents(before...)
	if err != nil {
		return err
	}
	return p.Apply(ctx, append(documents, text...))
}

// documents writes objects one after the other.
func documents(objects ...any) ([]byte, error) {
	var out bytes.Buffer
	for _, o := range objects {
		if err := json.NewEncoder(&out).Encode(o); err != nil {
			return nil, err
		}
		out.WriteString("---\n")
	}
	return out.Bytes(), nil
}

// namespace is one that holds pods to the strictest of the Pod Security
// Standards.
func namespace(name string) *corev1.Namespace {
	return &corev1.Namespace{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}},
	}
}

func secret(namespace, name string, data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: data,
	}
}

func configMap(namespace, name string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: data,
	}
}

// Ready waits until Deployments of a namespace are. Where they don't become
// so, the error says what their pods say.
func (p *Platform) Ready(ctx context.Context, namespace string, names ...string) error {
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		list, err := p.Kube.AppsV1().Deployments(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		ready := 0
		for _, d := range list.Items {
			if slices.Contains(names, d.Name) && available(d) {
				ready++
			}
		}
		if ready == len(names) {
			return true, nil
		}
		return false, p.hopeless(ctx, namespace)
	})
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s in namespace %s: %w\n%s", strings.Join(names, " and "), namespace, err, p.words(context.WithoutCancel(ctx), namespace))
}

// hopeless says which container ends again and again.
func (p *Platform) hopeless(ctx context.Context, namespace string) error {
	pods, err := p.Kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, pod := range pods.Items {
		for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			if s.RestartCount >= mostRestarts {
				return fmt.Errorf("container %s of pod %s was restarted %d times", s.Name, pod.Name, s.RestartCount)
			}
		}
	}
	return nil
}

func available(d appsv1.Deployment) bool {
	s := d.Status
	return s.ObservedGeneration == d.Generation && s.Replicas > 0 && s.ReadyReplicas == s.Replicas && s.UpdatedReplicas == s.Replicas
}

// words are what the pods of a namespace are, and their last words.
func (p *Platform) words(ctx context.Context, namespace string) string {
	var all strings.Builder
	pods, err := p.Kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err.Error()
	}
	for _, pod := range pods.Items {
		_, _ = fmt.Fprintf(&all, "pod %s is %s\n", pod.Name, pod.Status.Phase) // a builder never fails
		for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			state, err := json.Marshal(s.State)
			log, logErr := p.Kube.CoreV1().Pods(namespace).GetLogs(pod.Name, &corev1.PodLogOptions{
				Container: s.Name, TailLines: new(int64(40)), Previous: s.RestartCount > 0, // what it said when it ended
			}).DoRaw(ctx)
			_, _ = fmt.Fprintf(&all, "container %s (restarted %d times) is %s\n%s", s.Name, s.RestartCount, state, log)
			if err := errors.Join(err, logErr); err != nil {
				_, _ = fmt.Fprintln(&all, err)
			}
		}
	}
	return all.String()
}

// Log is what the programs of pods have written, as far as it is still there,
// and how the pods are.
func (p *Platform) Log(ctx context.Context, namespace, selector string) string {
	var said strings.Builder
	for _, words := range [][]string{
		{"logs", "--previous", "--tail=-1", "--selector=" + selector}, // there may be none
		{"logs", "--tail=-1", "--selector=" + selector},
		{"get", "pods", "--output=wide", "--selector=" + selector},
		{"get", "events", "--sort-by=.lastTimestamp"},
	} {
		words = append([]string{"kubectl", "--kubeconfig=" + p.cluster.Kubeconfig(), "--namespace=" + namespace}, words...)
		out, err := exec.CommandContext(ctx, p.cluster.Programs.Kubernetes, words...).CombinedOutput() //nolint:gosec // what we built
		said.Write(out)
		if err != nil {
			said.WriteString(err.Error())
		}
	}
	return said.String()
}
