//go:build e2e

package platform_test

import (
	"context"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/e2e/platform"
	"github.com/sallyport/sallyport/tools/wire"
)

// moment is something that can be seen of a run, at which its worker is killed.
type moment struct {
	reason string
	watch  func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error)
	is     func(watch.Event) bool
}

func added(e watch.Event) bool { return e.Type == watch.Added }

func moments(d *appsv1.Deployment) map[string]moment {
	k := shared.Kube
	exec := platform.Execution
	watching := func(e watch.Event, so func(runtime.Object) bool) bool { return e.Type != watch.Deleted && so(e.Object) }
	return map[string]moment{
		"Account": {"the ServiceAccount is there, and no Job", k.CoreV1().ServiceAccounts(exec).Watch, added},
		"Lease":   {"the same, a little later", k.CoordinationV1().Leases("staging").Watch, added},
		"Job":     {"the Job is there, and no worker waits for it", k.BatchV1().Jobs(exec).Watch, added},
		"Pod":     {"it is about to start", k.CoreV1().Pods(exec).Watch, added},
		"Acquired": {"it is about to act", k.CoordinationV1().Leases("staging").Watch, func(e watch.Event) bool {
			return watching(e, func(o runtime.Object) bool {
				l, ok := o.(*coordinationv1.Lease)
				return ok && l.Spec.HolderIdentity != nil && *l.Spec.HolderIdentity != ""
			})
		}},
		"Acted": {"it has acted, and no worker knows", func(ctx context.Context, _ metav1.ListOptions) (watch.Interface, error) {
			return k.AppsV1().Deployments("staging").Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + d.Name})
		}, func(e watch.Event) bool {
			return watching(e, func(o runtime.Object) bool {
				now, ok := o.(*appsv1.Deployment)
				return ok && now.Annotations[wire.AnnotationCall] != ""
			})
		}},
		"Revoked": {"its rights are gone, and its outcome is not recorded", k.RbacV1().RoleBindings("staging").Watch, func(e watch.Event) bool { return e.Type == watch.Deleted }},
		"Ended": {"Kubernetes knows that it has ended", k.CoreV1().Pods(exec).Watch, func(e watch.Event) bool {
			return watching(e, func(o runtime.Object) bool {
				p, ok := o.(*corev1.Pod)
				return ok && p.Status.Phase == corev1.PodSucceeded
			})
		}},
	}
}

// TestWorkerKilledAtEachStep kills the worker's process at each moment that can
// be seen from outside. The call goes on with the next one, and its effect
// happens once.
func TestWorkerKilledAtEachStep(t *testing.T) {
	agent := agentClient(t, "deploy-bot")
	for _, name := range []string{"Account", "Lease", "Job", "Pod", "Acquired", "Acted", "Revoked", "Ended"} {
		t.Run(name, func(t *testing.T) {
			d := target(t, "staging", "killed-"+string(name[0]+32)+name[1:])
			m := moments(d)[name]
			call := killedAt(t, agent, d, m)
			if call.State != sallyport.StateSucceeded {
				t.Errorf("it ended %s (%+v): %s", call.State, call.Error, m.reason)
			}
			scaledOnce(t, d, call.ID, 2)
			eventually(t, "all permissions of the call to be revoked", func(ctx context.Context) bool { return granted(ctx, call.ID) == 0 })
		})
	}
}

// killedAt sends a call, kills the worker at a moment of it, and waits for its
// end.
func killedAt(t *testing.T, agent *client.Client, d *appsv1.Deployment, m moment) client.Call {
	t.Helper()
	id := reach(t, agent, d, m)
	if err := shared.KillWorker(t.Context()); err != nil {
		t.Fatal(err)
	}
	return ended(t, agent, id)
}

// reach sends a call, and returns at a moment of it.
func reach(t *testing.T, agent *client.Client, d *appsv1.Deployment, m moment) (callID string) {
	t.Helper()
	if err := shared.Ready(t.Context(), platform.Namespace, "sallyport-worker"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	events, err := m.watch(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/managed-by=sallyport,sallyport.dev/mode=run"})
	if err != nil {
		t.Fatal(err)
	}
	defer events.Stop()
	call, err := agent.Submit(t.Context(), client.Submission{Tool: "k8s_scale_deployment", Arguments: []byte(`{"namespace":"staging","name":"` + d.Name + `","replicas":2}`)})
	if err != nil {
		t.Fatal(err)
	}
	seen := time.NewTimer(patience)
	defer seen.Stop()
	for at := false; !at; {
		select {
		case e, ok := <-events.ResultChan():
			if !ok {
				t.Fatal("the watch for the moment has ended")
			}
			at = m.is(e)
		case <-seen.C:
			t.Fatal("the moment did not come")
		}
	}
	return call.ID
}

// granted counts the ServiceAccounts and RoleBindings of a call.
func granted(ctx context.Context, callID string) int {
	o := metav1.ListOptions{LabelSelector: "sallyport.dev/call=" + callID}
	accounts, err := shared.Kube.CoreV1().ServiceAccounts(platform.Execution).List(ctx, o)
	if err != nil {
		return -1
	}
	bindings, err := shared.Kube.RbacV1().RoleBindings("staging").List(ctx, o)
	if err != nil {
		return -1
	}
	return len(accounts.Items) + len(bindings.Items)
}

// TestWorkerGoneForLong: no worker runs for longer than Kubernetes keeps a Job
// after its outcome is recorded. This Job's outcome is not recorded, so it stays.
func TestWorkerGoneForLong(t *testing.T) {
	agent := agentClient(t, "deploy-bot")
	d := target(t, "staging", "long")
	workers := shared.Kube.AppsV1().Deployments(platform.Namespace)
	scale := func(n int) {
		t.Helper()
		patch := []byte(`{"spec":{"replicas":` + string(rune('0'+n)) + `}}`)
		if _, err := workers.Patch(t.Context(), "sallyport-worker", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	id := reach(t, agent, d, moments(d)["Acquired"])
	scale(0)
	if err := shared.KillWorker(t.Context()); err != nil {
		t.Fatal(err)
	}
	ending := time.Now()
	eventually(t, "the time to live of a Job to be over twice", func(context.Context) bool { return time.Since(ending) > 2*platform.TTL })
	scale(1)
	if err := shared.Ready(t.Context(), platform.Namespace, "sallyport-worker"); err != nil {
		t.Fatal(err)
	}
	if end := ended(t, agent, id); end.State != sallyport.StateSucceeded || end.Result == nil {
		t.Errorf("it ended %s (%+v); want the outcome that its log still holds", end.State, end.Error)
	}
	scaledOnce(t, d, id, 2)
	eventually(t, "all permissions of the call to be revoked", func(ctx context.Context) bool { return granted(ctx, id) == 0 })
}
