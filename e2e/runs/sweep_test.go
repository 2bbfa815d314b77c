//go:build e2e

package runs_test

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sallyport/sallyport"
)

// abandoned is a call whose worker died when it had made the Job.
func abandoned(t *testing.T) sallyport.Intent {
	t.Helper()
	d := deployment(t, 1)
	i := intent(t, "k8s_scale_deployment", map[string]any{"namespace": "staging", "name": d.Name, "replicas": 2})
	died, die := context.WithCancel(t.Context())
	r := runnerWith(t, dyingClient(died, t))
	go func() { _, _ = r.Run(t.Context(), allowed(t, i)) }()
	eventually(t, "its Job", func(context.Context) bool { return len(jobs(t, i.CallID)) == 1 })
	die()
	return i
}

// TestSweep: a worker died before it revoked a call's permissions. Another one
// revokes them when the call has ended, or when its time is over, and not before.
func TestSweep(t *testing.T) {
	t.Parallel()
	r, i := runner(t), abandoned(t)
	if names := left(t, i.CallID); len(names) != 5 {
		t.Fatalf("the worker that died has left %v; want the five objects of the call's permissions", names)
	}
	asked := 0
	running := func(context.Context, string) (bool, error) { asked++; return false, nil }
	if err := r.Sweep(t.Context(), running); err != nil {
		t.Error(err)
	}
	if names := left(t, i.CallID); len(names) != 5 || asked == 0 {
		t.Errorf("of a call that runs there is left %v", names)
	}
	eventually(t, "the Job to end", func(context.Context) bool {
		all := jobs(t, i.CallID)
		return len(all) == 1 && all[0].Status.Succeeded == 1
	})
	ended := func(_ context.Context, id string) (bool, error) { return id == i.CallID, nil }
	if err := r.Sweep(t.Context(), ended); err != nil {
		t.Error(err)
	}
	wantNothingLeft(t, i)
	eventually(t, "the Job to go", func(context.Context) bool { return len(jobs(t, i.CallID)) == 0 })
}

// TestSweepExpired: the sweeper revokes a call's permissions when its time is
// over, whatever became of the call; the Job stays for the worker that ends it.
func TestSweepExpired(t *testing.T) {
	t.Parallel()
	r, i := runner(t), abandoned(t)
	eventually(t, "the Job to end", func(context.Context) bool {
		all := jobs(t, i.CallID)
		return len(all) == 1 && all[0].Status.Succeeded == 1
	})
	name := jobs(t, i.CallID)[0].Name
	b, err := bench.admin.RbacV1().RoleBindings("staging").Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b.Annotations["sallyport.dev/expires"] = time.Now().Add(-time.Second).UTC().Format(time.RFC3339)
	if _, err := bench.admin.RbacV1().RoleBindings("staging").Update(t.Context(), b, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	running := func(context.Context, string) (bool, error) { return false, nil }
	if err := r.Sweep(t.Context(), running); err != nil {
		t.Error(err)
	}
	wantNothingLeft(t, i)
	o, err := r.Reconcile(t.Context(), i)
	if err != nil || o == nil || o.State != sallyport.StateSucceeded {
		t.Errorf("Reconcile = %+v, %v; want the outcome of the Job that is still there", o, err)
	}
	if err := r.Release(t.Context(), i.CallID); err != nil {
		t.Error(err)
	}
}
