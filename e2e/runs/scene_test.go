//go:build e2e

package runs_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sallyport/sallyport/e2e/internal/intrusion"
)

// scene makes the targets of an intruder: neighbours of its Deployment,
// a Secret, a pod that listens and its Service, and addresses on the node where
// clouds have their metadata and the internet is.
func scene(t *testing.T) intrusion.Scene {
	t.Helper()
	core := bench.admin.CoreV1().RESTClient()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "wanted"}, StringData: map[string]string{"word": "sesame"}}
	if _, err := bench.admin.CoreV1().Secrets("staging").Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "listener", Labels: map[string]string{"app": "listener"}}, Spec: paused()}
	pod.Spec.Containers[0].Args = []string{"serve", ":8080"}
	if _, err := bench.admin.CoreV1().Pods("staging").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	service, err := bench.admin.CoreV1().Services("staging").Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "listener"},
		Spec:       corev1.ServiceSpec{Selector: pod.Labels, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := bench.admin.AppsV1().Deployments("production").Create(t.Context(), serving("foreign"), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, path := range []string{"secrets/wanted", "pods/listener", "services/listener"} {
			if err := core.Delete().AbsPath("/api/v1/namespaces/staging/" + path).Do(context.Background()).Error(); err != nil {
				t.Error(err)
			}
		}
		if err := bench.admin.AppsV1().Deployments("production").Delete(context.Background(), foreign.Name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "the pod that listens", func(ctx context.Context) bool {
		pod, err = bench.admin.CoreV1().Pods("staging").Get(ctx, "listener", metav1.GetOptions{})
		return err == nil && pod.Status.Phase == corev1.PodRunning
	})
	for _, address := range []string{intrusion.Metadata, intrusion.Internet} {
		give(t, address)
	}
	return intrusion.Scene{
		Namespace: "staging", Neighbour: deployment(t, 0).Name, Elsewhere: "production", Foreign: foreign.Name, Secret: "wanted", Pod: "listener",
		PodAddress: pod.Status.PodIP + ":8080", Service: service.Spec.ClusterIP + ":80", Node: "10.88.0.1", NodeName: pod.Spec.NodeName, DNS: "10.96.0.10",
	}
}

// give makes an address one of the node's. No program listens there, so the node
// refuses each connection that reaches it.
func give(t *testing.T, address string) {
	t.Helper()
	network := fmt.Sprintf("--net=/proc/%d/ns/net", bench.cluster.Node())
	if out, err := exec.CommandContext(t.Context(), "nsenter", network, "ip", "address", "add", address+"/32", "dev", "lo").CombinedOutput(); err != nil {
		t.Fatalf("the node's address %s: %v: %s", address, err, out)
	}
	t.Cleanup(func() {
		_ = exec.CommandContext(context.Background(), "nsenter", network, "ip", "address", "delete", address+"/32", "dev", "lo").Run()
	})
}

func serving(name string) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: appsv1.DeploymentSpec{
		Replicas: new(int32(0)), Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: paused()},
	}}
}

// planned writes into a deployment what an intruder is to try.
func planned(t *testing.T, d *appsv1.Deployment, p intrusion.Plan) {
	t.Helper()
	plan, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	annotate(t, d, intrusion.Annotation, string(plan))
}

// annotate sets an annotation of a deployment, or removes it.
func annotate(t *testing.T, d *appsv1.Deployment, name string, value any) {
	t.Helper()
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{name: value}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bench.admin.AppsV1().Deployments(d.Namespace).Patch(t.Context(), d.Name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}

// control lets a pod try the same that has every right in the cluster, every
// capability on the node, and a network without policies.
func control(t *testing.T, target string) []intrusion.Result {
	t.Helper()
	name := "control-" + strings.ToLower(rand.Text())[:8]
	if _, err := bench.admin.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err := bench.admin.RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: name, Name: "default"}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, err := range []error{
			bench.admin.RbacV1().ClusterRoleBindings().Delete(context.Background(), name, metav1.DeleteOptions{}),
			bench.admin.CoreV1().Namespaces().Delete(context.Background(), name, metav1.DeleteOptions{}),
		} {
			if err != nil {
				t.Error(err)
			}
		}
	})
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "control"}, Spec: corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever, HostPID: true,
		Containers: []corev1.Container{{
			Name: "tool", Image: bench.intruder, Command: []string{"/intruder", target}, ImagePullPolicy: corev1.PullNever,
			SecurityContext: &corev1.SecurityContext{Privileged: new(true), RunAsUser: new(int64(0))},
		}},
	}}
	eventually(t, "the control's pod to be made", func(ctx context.Context) bool { // its account may not be there yet
		_, err := bench.admin.CoreV1().Pods(name).Create(ctx, pod, metav1.CreateOptions{})
		return err == nil || apierrors.IsAlreadyExists(err)
	})
	eventually(t, "the control's pod to end", func(ctx context.Context) bool {
		p, err := bench.admin.CoreV1().Pods(name).Get(ctx, "control", metav1.GetOptions{})
		return err == nil && (p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed)
	})
	out, err := bench.admin.CoreV1().Pods(name).GetLogs("control", &corev1.PodLogOptions{}).DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return results(t, string(out))
}

// results are the lines that an intruder wrote.
func results(t *testing.T, out string) []intrusion.Result {
	t.Helper()
	var all []intrusion.Result
	for line := range strings.Lines(out) {
		var r intrusion.Result
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("the intruder said %q: %v", line, err)
		}
		all = append(all, r)
	}
	return all
}

// tried checks that each attempt was made at least once, and that all succeeded
// or all failed.
func tried(t *testing.T, attempts []intrusion.Attempt, all []intrusion.Result, reached bool) {
	t.Helper()
	for _, a := range attempts {
		is := func(r intrusion.Result) bool { return r.Name == a.Name }
		if !slices.ContainsFunc(all, is) {
			t.Errorf("%s: it was not tried", a.Name)
		}
		for _, r := range all {
			if is(r) && r.Reached != reached {
				t.Errorf("%s: reached: %v, want %v: %s", r.Name, r.Reached, reached, r.Detail)
			}
		}
	}
}

// lingering reports whether a process is on this machine that an intruder left.
func lingering(t *testing.T, word string) bool {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(all, func(file string) bool {
		line, err := os.ReadFile(file)
		return err == nil && bytes.Contains(line, []byte("linger\x00"+word+"\x00"))
	})
}
