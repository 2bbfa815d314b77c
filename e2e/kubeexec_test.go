//go:build e2e

package e2e_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools/wire"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

func listen(t *testing.T, h http.Handler) (address string) {
	t.Helper()
	s := httptest.NewServer(h)
	s.Config.ErrorLog = quiet()
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestKubeexecGetDeployment(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	available(t, deployment(t, ns, "api"))
	get := func(name string) wire.Response {
		return callOf(t, ns, "k8s_get_deployment", map[string]any{"name": name}).in(t, wire.ModeRun, nil)
	}
	res := get("api")
	o := wantResult(t, res)
	if o.Replicas.Desired != 1 || len(o.Images) != 1 || len(o.Conditions) != 2 || o.Generation != 1 {
		t.Errorf("result %s", res.Result)
	}
	if strings.Contains(string(res.Result), "hunter2") {
		t.Errorf("the result holds the environment: %s", res.Result)
	}
	wantCode(t, get("absent"), sallyport.CodeNotFound)
}

func TestKubeexecListPods(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	available(t, deployment(t, ns, "api"))
	stuck := pod("stuck", "pause")
	stuck.Spec.Containers[0].Image = "cluster.local/absent:1"
	until(t, create(t, ns, stuck), func(p *corev1.Pod) bool {
		return len(p.Status.ContainerStatuses) == 1 && p.Status.ContainerStatuses[0].State.Waiting != nil && p.Status.ContainerStatuses[0].State.Waiting.Reason == "ErrImageNeverPull"
	})
	for name, tt := range map[string]struct {
		selector string
		want     int
	}{"All": {"", 2}, "Equal": {"app=api", 1}, "NotEqual": {"app!=api", 1}, "None": {"app=api,app=stuck", 0}} {
		t.Run(name, func(t *testing.T) {
			arguments := map[string]any{}
			if tt.selector != "" {
				arguments["selector"] = tt.selector
			}
			if o := wantResult(t, callOf(t, ns, "k8s_list_pods", arguments).in(t, wire.ModeRun, nil)); len(o.Pods) != tt.want || o.Truncated {
				t.Errorf("%d pods, want %d", len(o.Pods), tt.want)
			}
		})
	}
	res := callOf(t, ns, "k8s_list_pods", map[string]any{"selector": "app=stuck"}).in(t, wire.ModeRun, nil)
	if !strings.Contains(string(res.Result), `"reason":"ErrImageNeverPull"`) {
		t.Errorf("the reason why it waits is missing: %s", res.Result)
	}
}

func TestKubeexecPodLogs(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	create(t, ns, pod("other", "print", "not yours"))
	finish(t, create(t, ns, pod("speaker", "print", "one\ntwo\nthr\x1b[31mee")))
	logs := func(arguments map[string]any) wire.Response {
		return callOf(t, ns, "k8s_pod_logs", arguments).in(t, wire.ModeRun, nil)
	}
	if o := wantResult(t, logs(map[string]any{"name": "speaker", "tail_lines": 2, "container": "app"})); o.Log != "two\nthr\\u{001b}[31mee\n" || o.Truncated {
		t.Errorf("log %q", o.Log)
	}
	wantCode(t, logs(map[string]any{"name": "absent"}), sallyport.CodeNotFound)
	wantCode(t, logs(map[string]any{"name": "speaker", "container": "absent"}), sallyport.CodeRejected)
	// The account is good for the one pod.
	c := callOf(t, ns, "k8s_pod_logs", map[string]any{"name": "speaker"})
	config := c.grant(t, wire.ModeRun)
	other := callOf(t, ns, "k8s_pod_logs", map[string]any{"name": "other"})
	wantCode(t, other.through(t, config, wire.ModeRun, nil), sallyport.CodeForbidden)
}

func TestKubeexecScale(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	d := available(t, deployment(t, ns, "api"))
	c := callOf(t, ns, "k8s_scale_deployment", map[string]any{"name": "api", "replicas": 2})
	config := c.grant(t, wire.ModePlan)
	plan, again := c.through(t, config, wire.ModePlan, nil).Plan, c.through(t, config, wire.ModePlan, nil).Plan
	if plan == nil || cmp.Diff(plan, again) != "" || plan.Summary != "replicas 1 → 2" || len(plan.Changes) != 1 {
		t.Fatalf("plans %+v, %+v", plan, again)
	}
	if now := current(t, d); now.ResourceVersion != d.ResourceVersion {
		t.Error("planning changed the deployment")
	}
	wantCode(t, c.in(t, wire.ModeReconcile, nil), sallyport.CodeNotSeen)
	res := c.in(t, wire.ModeRun, plan)
	if o := wantResult(t, res); !o.Changed || o.UID != string(d.UID) || res.Reference != o.UID {
		t.Errorf("result %s, reference %q", res.Result, res.Reference)
	}
	now := current(t, d)
	if *now.Spec.Replicas != 2 || now.Annotations[wire.AnnotationCall] != c.intent.CallID || now.Annotations[wire.AnnotationIntent] != string(c.intent.Digest()) ||
		now.Spec.Template.Annotations[wire.AnnotationCall] != "" {
		t.Errorf("the deployment: %d replicas, %v", *now.Spec.Replicas, now.Annotations)
	}
	seen := c.through(t, config, wire.ModeReconcile, nil)
	if o := wantResult(t, seen); !o.Changed || seen.Reference != string(d.UID) {
		t.Errorf("reconciled %+v", o)
	}
	other := callOf(t, ns, "k8s_scale_deployment", map[string]any{"name": "api", "replicas": 2})
	wantCode(t, other.in(t, wire.ModeReconcile, nil), sallyport.CodeNotSeen)
	// What is so already is not written.
	now = available(t, now)
	if o := wantResult(t, other.in(t, wire.ModeRun, nil)); o.Changed {
		t.Error("scaling to what is there changed something")
	}
	if after := current(t, d); after.ResourceVersion != now.ResourceVersion {
		t.Error("scaling to what is there wrote something")
	}
}

// TestKubeexecDrift changes what a plan was made from. Nothing is written then.
func TestKubeexecDrift(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	scaled := func(t *testing.T, d *appsv1.Deployment) {
		t.Helper()
		if _, err := client.AppsV1().Deployments(ns).Patch(t.Context(), d.Name, types.MergePatchType, []byte(`{"spec":{"replicas":3}}`), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	replaced := func(t *testing.T, d *appsv1.Deployment) {
		t.Helper()
		if err := client.AppsV1().Deployments(ns).Delete(t.Context(), d.Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		deployment(t, ns, d.Name)
	}
	restarted := func(t *testing.T, d *appsv1.Deployment) {
		t.Helper()
		wantResult(t, callOf(t, ns, "k8s_restart_deployment", map[string]any{"name": d.Name}).in(t, wire.ModeRun, nil))
	}
	for name, tt := range map[string]struct {
		reason, tool string
		drift        func(*testing.T, *appsv1.Deployment)
		code         string
	}{
		"scale-replicas":  {"it would undo what another did", "k8s_scale_deployment", scaled, sallyport.CodePreconditionFailed},
		"scale-uid":       {"it is another deployment", "k8s_scale_deployment", replaced, sallyport.CodePreconditionFailed},
		"scale-status":    {"a restart is not what the plan is about", "k8s_scale_deployment", restarted, ""},
		"restart-again":   {"another client restarted it already", "k8s_restart_deployment", restarted, sallyport.CodePreconditionFailed},
		"restart-uid":     {"it is another deployment", "k8s_restart_deployment", replaced, sallyport.CodePreconditionFailed},
		"restart-scaling": {"how many there are is not what the plan is about", "k8s_restart_deployment", scaled, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := deployment(t, ns, name)
			arguments := map[string]any{"name": name}
			if tt.tool == "k8s_scale_deployment" {
				arguments["replicas"] = 2
			}
			c := callOf(t, ns, tt.tool, arguments)
			c.intent.At = c.intent.At.Add(time.Hour) // no two restarts in one second
			plan := c.planned(t)
			tt.drift(t, d)
			res := c.in(t, wire.ModeRun, plan)
			if tt.code == "" {
				wantResult(t, res)
				return
			}
			wantCode(t, res, tt.code)
			if current(t, d).Annotations[wire.AnnotationCall] == c.intent.CallID {
				t.Errorf("written in spite of it: %s", tt.reason)
			}
		})
	}
}

func TestKubeexecRestart(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	d := available(t, deployment(t, ns, "api"))
	for range 2 { // without the annotation, and with it
		c := callOf(t, ns, "k8s_restart_deployment", map[string]any{"name": "api"})
		c.intent.At = c.intent.At.Add(time.Duration(d.Generation) * time.Hour)
		plan := c.planned(t)
		if o := wantResult(t, c.in(t, wire.ModeRun, plan)); !o.Changed {
			t.Errorf("outcome %+v", o)
		}
		now := current(t, d)
		if got, want := now.Spec.Template.Annotations["kubectl.kubernetes.io/restartedAt"], c.intent.At.UTC().Format(time.RFC3339); got != want {
			t.Errorf("restarted at %q, want %q", got, want)
		}
		if now.Generation == d.Generation || now.Annotations[wire.AnnotationCall] != c.intent.CallID {
			t.Errorf("generation %d, annotations %v", now.Generation, now.Annotations)
		}
		wantResult(t, c.in(t, wire.ModeReconcile, nil))
		d = available(t, now)
	}
	deployment(t, ns, "paused", func(d *appsv1.Deployment) { d.Spec.Paused = true })
	wantCode(t, callOf(t, ns, "k8s_restart_deployment", map[string]any{"name": "paused"}).in(t, wire.ModeRun, nil), sallyport.CodeNotApplicable)
	wantCode(t, callOf(t, ns, "k8s_restart_deployment", map[string]any{"name": "absent"}).in(t, wire.ModeRun, nil), sallyport.CodeNotFound)
}

func TestKubeexecDeletePod(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	running := func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning }
	p := until(t, create(t, ns, pod("doomed", "pause")), running)
	c := callOf(t, ns, "k8s_delete_pod", map[string]any{"name": "doomed"})
	plan := c.planned(t)
	for _, part := range []string{string(p.UID), "Running", p.Spec.NodeName, p.Spec.Containers[0].Image} {
		if !strings.Contains(plan.Diff, part) {
			t.Errorf("the plan does not show %s: %s", part, plan.Diff)
		}
	}
	if now := until(t, p, running); now.ResourceVersion != p.ResourceVersion {
		t.Error("planning changed the pod")
	}
	// A pod of the same name is another one.
	if err := client.CoreV1().Pods(ns).Delete(t.Context(), p.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}); err != nil {
		t.Fatal(err)
	}
	second := until(t, create(t, ns, pod("doomed", "pause")), running)
	wantCode(t, c.in(t, wire.ModeRun, plan), sallyport.CodePreconditionFailed)

	next := callOf(t, ns, "k8s_delete_pod", map[string]any{"name": "doomed"})
	if o := wantResult(t, next.in(t, wire.ModeRun, next.planned(t))); !o.Changed || o.UID != string(second.UID) {
		t.Errorf("outcome %+v", o)
	}
	eventually(t, "the end of the pod", func(ctx context.Context) (bool, error) {
		_, err := client.CoreV1().Pods(ns).Get(ctx, "doomed", metav1.GetOptions{})
		return err != nil, nil
	})
	wantCode(t, next.in(t, wire.ModeReconcile, nil), sallyport.CodeNotSeen)
	wantCode(t, callOf(t, ns, "k8s_delete_pod", map[string]any{"name": "doomed"}).in(t, wire.ModeRun, nil), sallyport.CodeNotFound)
}
