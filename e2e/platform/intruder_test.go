//go:build e2e

package platform_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/e2e/internal/intrusion"
	"github.com/sallyport/sallyport/e2e/platform"
)

// TestIntruder installs a gateway whose executor was taken over: it answers for
// its own call, once, and reaches no other part of the gateway.
func TestIntruder(t *testing.T) {
	image, err := shared.Image(t.Context(), "intruder", "/intruder="+shared.Programs.Intruder)
	if err != nil {
		t.Fatal(err)
	}
	tool := unsigned(t, image)
	err = gateway.Upgrade(t.Context(), map[string]any{
		"images": map[string]any{"executor": image}, "permissions": map[string]any{"images": []any{image}}, "configMaps": map[string]any{"tools": tool},
	})
	t.Cleanup(func() {
		if err := gateway.Upgrade(context.Background(), nil); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Run("Executor", answersForItself)
	t.Run("UnsignedTool", func(t *testing.T) {
		call, err := submit(t, agentClient(t, "deploy-bot"), "intruder", `{"name":"api-server"}`)
		if err != nil || call.Error == nil || call.Error.Code != "image_unverified" {
			t.Errorf("it ended %s (%+v, %+v), %v; want it refused without a signature", call.State, call.Error, call.Result, err)
		}
		if n := len(jobs(t.Context(), call.ID)); n > 0 {
			t.Errorf("it has %d Jobs", n)
		}
		nothingLeft(t, call.ID)
	})
}

// answersForItself has two calls answered by intruders, the second of which
// tries to answer for the first.
func answersForItself(t *testing.T) {
	agent := agentClient(t, "deploy-bot")
	own := []intrusion.Attempt{{Name: "post its own result", Reply: "own"}}
	once := slices.Concat(parts(t), own)

	// The first one waits, with nothing said.
	waits := target(t, "staging", "waits")
	tries(t, waits.Name, intrusion.Plan{Again: []intrusion.Attempt{{Name: "the target", API: &intrusion.Request{
		Method: http.MethodGet, Path: "/apis/apps/v1/namespaces/staging/deployments/" + waits.Name,
	}}}})
	first, err := agent.Submit(t.Context(), client.Submission{Tool: "k8s_get_deployment", Arguments: json.RawMessage(`{"namespace":"staging","name":"waits"}`)})
	if err != nil {
		t.Fatal(err)
	}
	other := []intrusion.Attempt{{Name: "post the result of another call", Reply: "agent-tool-call-" + first.ID}}
	running(t, first.ID)

	d := target(t, "staging", "intruded")
	again := []intrusion.Attempt{{Name: "post its result once more", Reply: "own"}}
	tries(t, d.Name, intrusion.Plan{Once: slices.Concat(other, once), Again: again})
	call, err := agent.Submit(t.Context(), client.Submission{Tool: "k8s_get_deployment", Arguments: json.RawMessage(`{"namespace":"staging","name":"intruded"}`)})
	if err != nil {
		t.Fatal(err)
	}
	all := said(t, running(t, call.ID), 3)
	call = ended(t, agent, call.ID)
	if call.State != sallyport.StateSucceeded || call.Result == nil || !call.Result.Untrusted || string(call.Result.Content) != `{"said":"by the intruder"}` {
		t.Errorf("its call ended %+v (%+v); want what it said, untrusted", call, call.Error)
	}
	tried(t, own, all, true)
	tried(t, slices.Concat(parts(t), other, again), all, false)
	if first, err = agent.Get(t.Context(), first.ID, 0); err != nil || first.State != sallyport.StateRunning {
		t.Errorf("the other call is %s (%+v), %v; want it to wait for its own executor", first.State, first.Result, err)
	}
	if _, err := agent.Cancel(t.Context(), first.ID); err != nil {
		t.Error(err)
	}
	ended(t, agent, first.ID)
	nothingLeft(t, call.ID)
	nothingLeft(t, first.ID)
	t.Run("Control", func(t *testing.T) { reachable(t, parts(t)) })
}

// parts are the other parts of the gateway, and what it is made of, by their
// Services and as pods.
func parts(t *testing.T) []intrusion.Attempt {
	t.Helper()
	var all []intrusion.Attempt
	for _, s := range []struct{ namespace, name string }{{platform.Namespace, "sallyport-api"}, {"temporal", "temporal"}, {"idp", "idp"}} {
		service, err := shared.Kube.CoreV1().Services(s.namespace).Get(t.Context(), s.name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range service.Spec.Ports {
			all = append(all, intrusion.Attempt{Name: fmt.Sprintf("%s:%d", s.name, p.Port), Dial: net.JoinHostPort(service.Spec.ClusterIP, fmt.Sprint(p.Port))})
		}
	}
	pods, err := shared.Kube.CoreV1().Pods(platform.Namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "status.phase=Running"})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pods.Items {
		port := map[string]string{"worker": "9090", "api": "8080"}[p.Labels["app.kubernetes.io/component"]]
		all = append(all, intrusion.Attempt{Name: "pod " + p.Name, Dial: net.JoinHostPort(p.Status.PodIP, port)})
	}
	return all
}

// reachable connects from the node, which no policy holds up.
func reachable(t *testing.T, attempts []intrusion.Attempt) {
	t.Helper()
	for _, a := range attempts {
		c, err := shared.Dial(t.Context(), "tcp", a.Dial)
		if err != nil {
			t.Errorf("%s: %v", a.Name, err)
			continue
		}
		_ = c.Close()
	}
}

// tries writes into a target what an intruder is to try.
func tries(t *testing.T, name string, p intrusion.Plan) {
	t.Helper()
	plan, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{intrusion.Annotation: string(plan)}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shared.Kube.AppsV1().Deployments("staging").Patch(t.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}

// running waits for the pod of a call.
func running(t *testing.T, callID string) *corev1.Pod {
	t.Helper()
	var pod corev1.Pod
	eventually(t, "a pod of call "+callID, func(ctx context.Context) bool {
		l, err := shared.Kube.CoreV1().Pods(platform.Execution).List(ctx, metav1.ListOptions{LabelSelector: "sallyport.dev/mode=run,sallyport.dev/call=" + callID})
		if err != nil || len(l.Items) != 1 {
			return false
		}
		pod = l.Items[0]
		return pod.Status.Phase == corev1.PodRunning
	})
	return &pod
}

// said is what an intruder has tried until it was refused a second answer so
// often.
func said(t *testing.T, pod *corev1.Pod, again int) (all []intrusion.Result) {
	t.Helper()
	stream, err := shared.Kube.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{Follow: true}).Stream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	for s := bufio.NewScanner(stream); again > 0 && s.Scan(); {
		var r intrusion.Result
		if err := json.Unmarshal(s.Bytes(), &r); err != nil {
			t.Fatalf("the intruder said %.300q", s.Text())
		}
		if all = append(all, r); r.Name == "post its result once more" {
			again--
		}
	}
	return all
}

// tried checks that each attempt was made, and that all succeeded or all failed.
func tried(t *testing.T, attempts []intrusion.Attempt, all []intrusion.Result, reached bool) {
	t.Helper()
	for _, a := range attempts {
		n := 0
		for _, r := range all {
			if r.Name != a.Name {
				continue
			}
			if n++; r.Reached != reached {
				t.Errorf("%s: reached: %v, want %v: %s", r.Name, r.Reached, reached, r.Detail)
			}
		}
		if n == 0 {
			t.Errorf("%s: it was not tried", a.Name)
		}
	}
}

// unsigned makes a ConfigMap with the manifest of a tool whose image has no signature.
func unsigned(t *testing.T, image string) string {
	t.Helper()
	c := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "sallyport-tools"}, Data: map[string]string{"intruder.yaml": intrusion.Manifest(image)}}
	if _, err := shared.Kube.CoreV1().ConfigMaps(platform.Namespace).Create(t.Context(), c, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return c.Name
}
