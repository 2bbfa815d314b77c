//go:build e2e

package e2e_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func TestDefaultDenyDenies(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	address := net.JoinHostPort(server(t, ns).Status.PodIP, "8080")
	dial := func(name string) (bool, string) {
		t.Helper()
		return finish(t, create(t, ns, pod(name, "dial", address)))
	}
	if ok, said := dial("before"); !ok {
		t.Fatalf("without a policy the pod could not connect: %s", said)
	}
	apply(t, ns, "default-deny", netv1.NetworkPolicySpec{PolicyTypes: []netv1.PolicyType{netv1.PolicyTypeIngress, netv1.PolicyTypeEgress}})
	if ok, said := dial("denied"); ok || !strings.Contains(said, "i/o timeout") {
		t.Errorf("with everything denied the pod said %q (succeeded: %v), want a timeout", said, ok)
	}
	// Both ends have to allow it.
	apply(t, ns, "to-server", netv1.NetworkPolicySpec{
		PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "allowed"}},
		PolicyTypes: []netv1.PolicyType{netv1.PolicyTypeEgress},
		Egress:      []netv1.NetworkPolicyEgressRule{{To: peers("server"), Ports: port(8080)}},
	})
	if ok, said := dial("allowed"); ok {
		t.Errorf("with one end allowed the pod said %q", said)
	}
	if err := client.CoreV1().Pods(ns).Delete(t.Context(), "allowed", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	apply(t, ns, "from-allowed", netv1.NetworkPolicySpec{
		PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "server"}},
		PolicyTypes: []netv1.PolicyType{netv1.PolicyTypeIngress},
		Ingress:     []netv1.NetworkPolicyIngressRule{{From: peers("allowed"), Ports: port(8080)}},
	})
	again := pod("again", "dial", address)
	again.Labels["app"] = "allowed"
	if ok, said := finish(t, create(t, ns, again)); !ok {
		t.Errorf("with both ends allowed the pod could not connect: %s", said)
	}
	if ok, said := dial("other"); ok {
		t.Errorf("what is allowed to one pod another may too: %s", said)
	}
}

func apply(t *testing.T, ns, name string, spec netv1.NetworkPolicySpec) {
	t.Helper()
	policy := &netv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
	if _, err := client.NetworkingV1().NetworkPolicies(ns).Create(t.Context(), policy, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func peers(app string) []netv1.NetworkPolicyPeer {
	return []netv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}}}
}

func port(n int32) []netv1.NetworkPolicyPort {
	return []netv1.NetworkPolicyPort{{Port: new(intstr.FromInt32(n))}}
}

// TestServiceByName goes through the name server and kube-proxy from a pod,
// and through a forwarded port from here.
func TestServiceByName(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	p := server(t, ns)
	_, err := client.CoreV1().Services(ns).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "server"},
		Spec: corev1.ServiceSpec{
			Selector: p.Labels, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// kube-proxy learns of the Service within a second or so.
	caller := pod("caller", "get", "http://server."+ns+".svc.cluster.local/name")
	caller.Spec.RestartPolicy = corev1.RestartPolicyOnFailure
	if ok, said := finish(t, create(t, ns, caller)); !ok || said != "server /name\n" {
		t.Errorf("the pod got %q (succeeded: %v)", said, ok)
	}
	l, err := shared.Forward(t.Context(), "127.0.0.1:0", net.JoinHostPort(p.Status.PodIP, "8080"))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.Get("http://" + l.String() + "/forwarded")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || string(body) != "server /forwarded" {
		t.Errorf("through the forwarded port came %q, %v", body, err)
	}
}
