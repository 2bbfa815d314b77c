//go:build e2e

package e2e_test

import (
	"context"
	"net/http"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools/wire"
)

// TestKubeexecRaces changes the object in the last moment: when the executor
// has looked at it, and its write is on its way.
func TestKubeexecRaces(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	merge := func(t *testing.T, name, patch string) {
		t.Helper()
		if _, err := client.AppsV1().Deployments(ns).Patch(t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			t.Error(err)
		}
	}
	scaled := func(t *testing.T, name string) { t.Helper(); merge(t, name, `{"spec":{"replicas":7}}`) }
	labelled := func(t *testing.T, name string) { t.Helper(); merge(t, name, `{"metadata":{"labels":{"a":"b"}}}`) }
	restarted := func(t *testing.T, name string) {
		t.Helper()
		merge(t, name, `{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"2026-01-01T00:00:00Z"}}}}}`)
	}
	made := func(t *testing.T, name string) {
		t.Helper()
		if _, err := client.CoreV1().ConfigMaps(ns).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
			t.Error(err)
		}
	}
	noPod := func(t *testing.T, name string) {
		t.Helper()
		if err := client.CoreV1().Pods(ns).Delete(t.Context(), name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}); err != nil {
			t.Error(err)
		}
	}
	otherPod := func(t *testing.T, name string) { t.Helper(); noPod(t, name); create(t, ns, pod(name, "pause")) }
	config := func(name string) object { return manifest("ConfigMap", name, object{"data": object{"a": "b"}}) }

	for name, tt := range map[string]struct {
		reason, tool string
		arguments    object
		before       func(*testing.T, string)
		meanwhile    func(*testing.T, string)
		code         string
	}{
		"scale-scaled":     {"another's number stays", "k8s_scale_deployment", object{"replicas": 2}, nil, scaled, sallyport.CodePreconditionFailed},
		"scale-labelled":   {"a label is not what it is about", "k8s_scale_deployment", object{"replicas": 2}, nil, labelled, ""},
		"restart-first":    {"another restart was faster", "k8s_restart_deployment", object{}, nil, restarted, sallyport.CodePreconditionFailed},
		"restart-labelled": {"a label is not what it is about", "k8s_restart_deployment", object{}, nil, labelled, ""},
		"apply-made":       {"it was to be made, not changed", "k8s_apply_manifest", object{"manifest": config("apply-made")}, nil, made, sallyport.CodePreconditionFailed},
		"delete-replaced":  {"it is another pod", "k8s_delete_pod", object{}, func(t *testing.T, name string) { t.Helper(); create(t, ns, pod(name, "pause")) }, otherPod, sallyport.CodePreconditionFailed},
		"delete-gone":      {"another deleted it", "k8s_delete_pod", object{}, func(t *testing.T, name string) { t.Helper(); create(t, ns, pod(name, "pause")) }, noPod, sallyport.CodeNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			switch {
			case tt.before != nil:
				tt.before(t, name)
				until(t, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: ns}}, func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning })
			case tt.tool != "k8s_apply_manifest":
				deployment(t, ns, name)
			}
			if tt.arguments["manifest"] == nil {
				tt.arguments["name"] = name
			}
			c := callOf(t, ns, tt.tool, tt.arguments)
			plan := c.planned(t)
			var once sync.Once
			way := unreliable(t, c.grant(t, wire.ModeRun), func(when string, r *http.Request) bool {
				if when == "before" && writes(r) && r.URL.Query().Get("dryRun") == "" {
					once.Do(func() { tt.meanwhile(t, name) })
				}
				return false
			})
			res := c.through(t, way, wire.ModeRun, plan)
			if tt.code == "" {
				if o := wantResult(t, res); !o.Changed {
					t.Errorf("nothing changed: %s", tt.reason)
				}
				return
			}
			wantCode(t, res, tt.code)
			if writtenBy(t, ns, tt.tool, name, c.intent) {
				t.Errorf("written in spite of it: %s", tt.reason)
			}
		})
	}
}

// writtenBy reports whether the object shows a call's effect.
func writtenBy(t *testing.T, ns, tool, name string, i sallyport.Intent) bool {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	switch tool {
	case "k8s_apply_manifest":
		m, err := client.CoreV1().ConfigMaps(ns).Get(ctx, name, metav1.GetOptions{})
		return err != nil || len(m.Data) > 0 || m.Annotations[wire.AnnotationCall] == i.CallID
	case "k8s_delete_pod":
		p, err := client.CoreV1().Pods(ns).Get(ctx, name, metav1.GetOptions{})
		return err == nil && p.DeletionTimestamp != nil
	default:
		d, err := client.AppsV1().Deployments(ns).Get(ctx, name, metav1.GetOptions{})
		return err != nil || d.Annotations[wire.AnnotationCall] == i.CallID
	}
}
