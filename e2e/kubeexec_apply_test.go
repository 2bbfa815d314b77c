//go:build e2e

package e2e_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/e2e/cluster"
	"github.com/sallyport/sallyport/tools/k8s"
	"github.com/sallyport/sallyport/tools/wire"
)

type object = map[string]any

// manifest of any kind that the tool takes.
func manifest(kind, name string, more object) object {
	m := object{"apiVersion": k8s.Kinds()[kind], "kind": kind, "metadata": object{"name": name}}
	maps.Copy(m, more)
	return m
}

func template(name string) object {
	return object{"metadata": object{"labels": object{"app": name}}, "spec": object{
		"securityContext": object{"runAsNonRoot": true, "seccompProfile": object{"type": "RuntimeDefault"}},
		"containers": []any{object{
			"name": "app", "image": cluster.Testbox, "args": []any{"pause"}, "imagePullPolicy": "Never",
			"securityContext": object{"allowPrivilegeEscalation": false, "capabilities": object{"drop": []any{"ALL"}}},
		}},
	}}
}

func workload(name string) object {
	return object{"spec": object{"selector": object{"matchLabels": object{"app": name}}, "template": template(name)}}
}

func with(m, spec object) object {
	s, _ := m["spec"].(object)
	maps.Copy(s, spec)
	return m
}

func applying(t *testing.T, ns string, m object) *toolCall {
	t.Helper()
	return callOf(t, ns, "k8s_apply_manifest", object{"manifest": m})
}

// TestKubeexecAppliesEveryKind creates one object of each kind with the rights
// that the manifest grants, applies it again, and finds it.
func TestKubeexecAppliesEveryKind(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	backend := object{"service": object{"name": "x", "port": object{"number": 80}}}
	for kind, m := range map[string]object{
		"ConfigMap":   {"data": object{"greeting": "hello"}},
		"DaemonSet":   workload("daemonset"),
		"Deployment":  with(workload("deployment"), object{"replicas": 0}),
		"StatefulSet": with(workload("statefulset"), object{"replicas": 0, "serviceName": "x"}),
		"HorizontalPodAutoscaler": {"spec": object{
			"maxReplicas": 3, "scaleTargetRef": object{"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"},
			"metrics": []any{object{"type": "Resource", "resource": object{"name": "cpu", "target": object{"type": "Utilization", "averageUtilization": 80}}}},
		}},
		"Ingress":             {"spec": object{"rules": []any{object{"http": object{"paths": []any{object{"path": "/", "pathType": "Prefix", "backend": backend}}}}}}},
		"PodDisruptionBudget": {"spec": object{"minAvailable": 1, "selector": object{"matchLabels": object{"app": "x"}}}},
		"Service":             {"spec": object{"selector": object{"app": "x"}, "ports": []any{object{"port": 80}}}},
	} {
		t.Run(kind, func(t *testing.T) {
			name := strings.ToLower(kind)
			c := applying(t, ns, manifest(kind, name, m))
			plan := c.planned(t)
			if again := c.through(t, c.grant(t, "again"), wire.ModePlan, nil).Plan; cmp.Diff(plan, again) != "" {
				t.Errorf("another plan: %s", cmp.Diff(plan, again))
			}
			if len(plan.Changes) != 1 || string(plan.Changes[0].Before) != "null" || !strings.Contains(plan.Diff, "+++") {
				t.Errorf("plan %+v", plan)
			}
			wantCode(t, c.in(t, wire.ModeReconcile, nil), sallyport.CodeNotSeen) // planning made nothing
			if o := wantResult(t, c.in(t, wire.ModeRun, plan)); !o.Changed {
				t.Errorf("outcome %+v", o)
			}
			wantResult(t, c.through(t, c.grant(t, "later"), wire.ModeReconcile, nil))
			same := applying(t, ns, manifest(kind, name, m))
			if o := wantResult(t, same.in(t, wire.ModeRun, nil)); o.Changed {
				t.Errorf("applying the same again changed %+v", o.Changes)
			}
			labelled := manifest(kind, name, m)
			labelled["metadata"].(object)["labels"] = object{"team": "shop"}
			next := applying(t, ns, labelled)
			if o := wantResult(t, next.in(t, wire.ModeRun, next.planned(t))); !o.Changed || len(o.Changes) != 1 || o.Changes[0].Path != "/metadata/labels" {
				t.Errorf("outcome %+v", o)
			}
		})
	}
}

func TestKubeexecApplyDrift(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	put := func(t *testing.T, name, value string) {
		t.Helper()
		_ = client.CoreV1().ConfigMaps(ns).Delete(t.Context(), name, metav1.DeleteOptions{})
		if _, err := client.CoreV1().ConfigMaps(ns).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"kept": value}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	change := func(t *testing.T, name string) {
		t.Helper()
		m, err := client.CoreV1().ConfigMaps(ns).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		m.Data["kept"] = "changed"
		if _, err := client.CoreV1().ConfigMaps(ns).Update(t.Context(), m, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		reason        string
		before, drift func(*testing.T, string)
	}{
		"created":  {"it was to be made, not changed", func(*testing.T, string) {}, func(t *testing.T, name string) { put(t, name, "theirs") }},
		"replaced": {"it is another object, however alike", func(t *testing.T, name string) { put(t, name, "a") }, func(t *testing.T, name string) { put(t, name, "a") }},
		"changed":  {"people saw another one", func(t *testing.T, name string) { put(t, name, "a") }, change},
	} {
		t.Run(name, func(t *testing.T) {
			tt.before(t, name)
			c := applying(t, ns, manifest("ConfigMap", name, object{"data": object{"new": "value"}}))
			plan := c.planned(t)
			if strings.Contains(plan.Diff, `"a"`) {
				t.Errorf("the plan shows what would not change: %s", plan.Diff)
			}
			tt.drift(t, name)
			wantCode(t, c.in(t, wire.ModeRun, plan), sallyport.CodePreconditionFailed)
			m, err := client.CoreV1().ConfigMaps(ns).Get(t.Context(), name, metav1.GetOptions{})
			if err != nil || m.Data["new"] != "" {
				t.Errorf("%v, %v: %s", m.Data, err, tt.reason)
			}
		})
	}
}

// TestKubeexecApplyLeavesFieldsToTheirOwners, except for its own marks, which
// every write takes over from the one before.
func TestKubeexecApplyLeavesFieldsToTheirOwners(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	d := available(t, deployment(t, ns, "api"))
	replicas := func(n int) object {
		return manifest("Deployment", "api", object{"spec": object{"replicas": n, "selector": object{"matchLabels": object{"app": "api"}}}})
	}
	taken := applying(t, ns, replicas(2))
	res := taken.in(t, wire.ModePlan, nil)
	wantCode(t, res, sallyport.CodeConflict)
	if res.Error != nil && !strings.Contains(res.Error.Message, "spec.replicas") {
		t.Errorf("the message does not name the field: %s", res.Error.Message)
	}
	wantCode(t, taken.in(t, wire.ModeRun, nil), sallyport.CodeConflict)

	wantResult(t, callOf(t, ns, "k8s_restart_deployment", object{"name": "api"}).in(t, wire.ModeRun, nil))
	c := applying(t, ns, manifest("Deployment", "api", object{"metadata": object{"name": "api", "labels": object{"team": "shop"}}}))
	if o := wantResult(t, c.in(t, wire.ModeRun, nil)); !o.Changed {
		t.Errorf("outcome %+v", o)
	}
	if now := current(t, d); now.Labels["team"] != "shop" || now.Annotations[wire.AnnotationCall] != c.intent.CallID || *now.Spec.Replicas != 1 {
		t.Errorf("labels %v, annotations %v", now.Labels, now.Annotations)
	}
}

// TestKubeexecApplyDoesNotBorrowSecrets: what a manifest leaves out stays, so
// that other code would run with what the workload has.
func TestKubeexecApplyDoesNotBorrowSecrets(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	deployment(t, ns, "secret", func(d *appsv1.Deployment) {
		d.Spec.Replicas = new(int32(0))
		d.Spec.Template.Spec.Containers[0].EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "db"}}}}
	})
	deployment(t, ns, "account", func(d *appsv1.Deployment) {
		d.Spec.Replicas = new(int32(0))
		d.Spec.Template.Spec.ServiceAccountName = "operator"
	})
	for name, code := range map[string]string{"secret": sallyport.CodeReadsSecrets, "account": sallyport.CodeOtherAccount} {
		t.Run(name, func(t *testing.T) {
			pods := workload(name)
			printer := pods["spec"].(object)["template"].(object)["spec"].(object)["containers"].([]any)[0].(object)
			printer["name"], printer["args"] = "printer", []any{"print", "$(PASSWORD)"}
			c := applying(t, ns, manifest("Deployment", name, pods))
			wantCode(t, c.in(t, wire.ModePlan, nil), code)
			wantCode(t, c.in(t, wire.ModeRun, nil), code)
			// What is not about its pods may change.
			wantResult(t, applying(t, ns, manifest("Deployment", name, object{"metadata": object{"name": name, "labels": object{"team": "shop"}}})).in(t, wire.ModeRun, nil))
		})
	}
}

func TestKubeexecApplyRejected(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	for name, m := range map[string]object{
		"unknown-field": manifest("Service", "x", object{"spec": object{"ports": []any{object{"port": 80}}, "sessionAffinityConfig": object{"sticky": true}}}),
		"invalid":       manifest("Service", "x", object{"spec": object{"ports": []any{object{"port": 99999999}}}}),
	} {
		t.Run(name, func(t *testing.T) {
			wantCode(t, applying(t, ns, m).in(t, wire.ModePlan, nil), sallyport.CodeRejected)
		})
	}
	// The rights are for the one name, also when an object is made.
	c := applying(t, ns, manifest("ConfigMap", "mine", nil))
	config := c.grant(t, wire.ModeRun)
	wantCode(t, applying(t, ns, manifest("ConfigMap", "other", nil)).through(t, config, wire.ModePlan, nil), sallyport.CodeForbidden)
}
