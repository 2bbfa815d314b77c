//go:build e2e

package runs_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/kube"
	"github.com/sallyport/sallyport/e2e/internal/intrusion"
	"github.com/sallyport/sallyport/tools"
)

// was is the annotation that an intruder leaves where it could write.
const was = "intruder-was"

// TestIntruder: an image that was taken over, as a tool's and as the executor
// itself, reaches nothing of what it tries. A pod that may everything reaches
// all of it, so that it is no fault of the attempts.
func TestIntruder(t *testing.T) {
	t.Parallel()
	s := scene(t)
	attempts := slices.Concat(s.API(), s.Network(), intrusion.Local())
	untouched := func(t *testing.T) {
		t.Helper()
		for namespace, name := range map[string]string{s.Namespace: s.Neighbour, s.Elsewhere: s.Foreign} {
			d, err := bench.admin.AppsV1().Deployments(namespace).Get(t.Context(), name, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if d.Annotations[was] != "" {
				t.Errorf("it was at %s in %s", name, namespace)
			}
		}
	}
	t.Run("Tool", func(t *testing.T) {
		intrudingTool(t, s, attempts)
		untouched(t)
	})
	t.Run("Executor", func(t *testing.T) {
		intrudingExecutor(t, s, attempts)
		untouched(t)
	})
	t.Run("Control", func(t *testing.T) {
		d := deployment(t, 1)
		s := s
		s.Target = d.Name
		attempts := append(slices.Clone(attempts), s.ReadTarget(), s.PatchTarget("somebody"))
		planned(t, d, intrusion.Plan{Once: attempts})
		tried(t, attempts, control(t, "staging/"+d.Name), true)
		if current(t, d).Annotations[was] == "" {
			t.Error("the control did not change the target")
		}
	})
}

// intrudingTool is an image that is none of ours: it may look at its target.
func intrudingTool(t *testing.T, s intrusion.Scene, attempts []intrusion.Attempt) {
	t.Helper()
	d := deployment(t, 0)
	s.Target = d.Name
	i := intent(t, "intruder", map[string]any{"name": d.Name})
	refused := append(slices.Clone(attempts), s.PatchTarget(i.CallID), intrusion.Attempt{Name: "post its own result", Reply: "own"})
	granted := []intrusion.Attempt{s.ReadTarget()}
	planned(t, d, intrusion.Plan{Once: slices.Concat(granted, refused), Linger: i.CallID})
	o, err := runner(t).Run(t.Context(), allowed(t, i))
	if err != nil || o.State != sallyport.StateSucceeded {
		t.Fatalf("Run = %+v (%+v), %v", o, o.Error, err)
	}
	var said struct{ Output string }
	if err := json.Unmarshal(o.Result, &said); err != nil {
		t.Fatal(err)
	}
	all := results(t, said.Output)
	tried(t, granted, all, true)
	tried(t, refused, all, false)
	if lingering(t, i.CallID) {
		t.Error("a process of it is still there after its run")
	}
	if current(t, d).Annotations[was] != "" {
		t.Error("it has changed its target, which its permissions do not allow")
	}
	wantNothingLeft(t, i)
}

// intrudingExecutor is the image of the built-in tools, taken over: until its
// outcome is known it holds the call's permissions. It goes on after that, with
// the same token and the same connections.
func intrudingExecutor(t *testing.T, s intrusion.Scene, attempts []intrusion.Attempt) {
	t.Helper()
	d := deployment(t, 0)
	s.Target = d.Name
	i := intent(t, "k8s_scale_deployment", map[string]any{"namespace": "staging", "name": d.Name, "replicas": 2})
	again := []intrusion.Attempt{s.ReadTarget(), s.PatchTarget(i.CallID)}
	planned(t, d, intrusion.Plan{Once: attempts, Again: again, Linger: i.CallID})
	r, url := receiving(t, bench.intruder, "10.88.0.1/32")
	outcome := make(chan sallyport.Outcome, 1)
	go func() {
		o, err := r.Run(t.Context(), allowed(t, i))
		if err != nil {
			t.Error(err)
		}
		outcome <- o
	}()
	pod := podOf(t, i)
	lines := follow(t, pod)
	var all []intrusion.Result
	until := func(what string, so func(intrusion.Result) bool) {
		t.Helper()
		for r := range lines {
			if all = append(all, r); so(r) {
				return
			}
		}
		t.Fatalf("the intruder ended before %s", what)
	}
	until("it changed its target", func(r intrusion.Result) bool { return r.Name == "change the target" && r.Reached })
	tried(t, attempts, all, false)
	if !lingering(t, i.CallID) {
		t.Error("the process that it left behind is not found while it runs: the test looks in the wrong place")
	}
	// Pods don't reach this machine: what it says is said in its place.
	job := pod.Labels["batch.kubernetes.io/job-name"]
	if got := post(t, url+job, token(t, pod, pod, "sallyport-reply-"+job), `{"result":{"said":"succeeded"}}`); got != http.StatusNoContent {
		t.Fatalf("its answer: status %d", got)
	}
	if o := <-outcome; o.State != sallyport.StateSucceeded {
		t.Fatalf("it ended %+v (%+v)", o, o.Error)
	}
	powerless(t, r, i, d, pod, lines)
}

// powerless checks that an intruder reaches nothing any more, and is ended.
func powerless(t *testing.T, r *kube.Runner, i sallyport.Intent, d *appsv1.Deployment, pod *corev1.Pod, lines <-chan intrusion.Result) {
	t.Helper()
	answered := time.Now()
	wantNothingLeft(t, i)
	annotate(t, d, was, nil)
	if err := r.Release(t.Context(), i.CallID); err != nil {
		t.Fatal(err)
	}
	refused := map[string]int{}
	var last intrusion.Result
	for r := range lines { // until the pod has ended
		switch last = r; {
		case !r.At.After(answered):
		case r.Reached:
			t.Errorf("%v after the answer was given it could still %s", r.At.Sub(answered), r.Name)
		default:
			refused[r.Name]++
		}
	}
	if refused["change the target"] < 10 || refused["read the target"] < 10 {
		t.Errorf("after the answer it was refused %v; want it to have tried", refused)
	}
	// The Job is given a minute to end, and the node some time to say so.
	if took := last.At.Sub(answered); took > 80*time.Second {
		t.Errorf("it went on for %v", took)
	}
	t.Logf("it tried %v in %v after the answer; the last was answered by %s", refused, last.At.Sub(answered), last.Detail)
	eventually(t, "its pod to end", func(ctx context.Context) bool {
		p, err := bench.admin.CoreV1().Pods(execution).Get(ctx, pod.Name, metav1.GetOptions{})
		return err != nil || p.Status.Phase == corev1.PodFailed
	})
	if lingering(t, i.CallID) {
		t.Error("the process that it left behind is still there")
	}
	if a := current(t, d).Annotations; a[was] != "" {
		t.Error("it has changed its target after the answer")
	}
}

// receiving is a runner of one executor, with the URL of its result receiver. Pods don't
// reach it: the port is the one that the cluster lets them connect to.
func receiving(t *testing.T, executor, apiServer string) (r *kube.Runner, url string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := options(t, bench.worker)
	o.Executor, o.APIServer, o.TTL, o.Patience = executor, []tools.Network{{CIDR: apiServer, Port: 443}}, time.Second, time.Minute
	o.ResultReceiver = &kube.ResultReceiver{Listener: l, Address: "127.0.0.1:8443", Namespace: "sallyport", Labels: map[string]string{"app.kubernetes.io/component": "worker"}}
	return served(t, o), "https://" + l.Addr().String() + "/reply/"
}

// follow reads what an intruder says while it says it, until its end.
func follow(t *testing.T, pod *corev1.Pod) <-chan intrusion.Result {
	t.Helper()
	stream, err := bench.admin.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{Follow: true}).Stream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan intrusion.Result, 1<<16)
	go func() {
		defer close(lines)
		defer func() { _ = stream.Close() }()
		for s := bufio.NewScanner(stream); s.Scan(); {
			var r intrusion.Result
			if err := json.Unmarshal(s.Bytes(), &r); err != nil {
				t.Errorf("the intruder said %.300q", s.Text())
				continue
			}
			if r.Name == "read the target" && r.Reached {
				r.Detail = strings.Repeat(".", 3) // all of it
			}
			lines <- r
		}
	}()
	return lines
}
