//go:build e2e

package runs_test

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/tools/wire"
)

func TestRunner(t *testing.T) {
	sallyporttest.TestRunner(t, func(t *testing.T) sallyporttest.RunnerSubject {
		d := deployment(t, 1)
		i := intent(t, "k8s_scale_deployment", map[string]any{"namespace": "staging", "name": d.Name, "replicas": 2})
		return sallyporttest.RunnerSubject{
			Runner: runner(t), Intent: i,
			Effects: func(t *testing.T) int {
				if current(t, d).Annotations[wire.AnnotationCall] == i.CallID {
					return 1
				}
				return 0
			},
			Drift: func(t *testing.T) {
				s, err := bench.admin.AppsV1().Deployments("staging").GetScale(t.Context(), d.Name, metav1.GetOptions{})
				if err != nil {
					t.Fatal(err)
				}
				s.Spec.Replicas = 3
				if _, err := bench.admin.AppsV1().Deployments("staging").UpdateScale(t.Context(), d.Name, s, metav1.UpdateOptions{}); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

func TestReconciler(t *testing.T) {
	sallyporttest.TestReconciler(t, func(t *testing.T) sallyporttest.ReconcilerSubject {
		d := deployment(t, 1)
		alive, die := context.WithCancel(t.Context())
		r := runnerWith(t, dyingClient(alive, t))
		i := intent(t, "k8s_scale_deployment", map[string]any{"namespace": "staging", "name": d.Name, "replicas": 2})
		return sallyporttest.ReconcilerSubject{
			Reconciler: sallyport.ReconcilerFunc(func(ctx context.Context, i sallyport.Intent) (*sallyport.Outcome, error) {
				if alive.Err() != nil { // it would go on asking for minutes
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, time.Second)
					defer cancel()
				}
				return r.Reconcile(ctx, i)
			}),
			Intent: i,
			Act: func(t *testing.T) string {
				o, err := r.Run(t.Context(), allowed(t, i))
				if err != nil || o.State != sallyport.StateSucceeded {
					t.Fatalf("Run = %+v, %v", o, err)
				}
				return o.Reference
			},
			Break: func(*testing.T) { die() },
		}
	})
}

func TestReadDeployment(t *testing.T) {
	t.Parallel()
	d := deployment(t, 1)
	r := runner(t)
	i := intent(t, "k8s_get_deployment", map[string]any{"namespace": "staging", "name": d.Name})
	o, err := r.Run(t.Context(), allowed(t, i))
	if err != nil || o.State != sallyport.StateSucceeded || !strings.Contains(string(o.Result), d.Name) {
		t.Fatalf("Run = %+v, %v", o, err)
	}
	wantNothingLeft(t, i)
	all := jobs(t, i.CallID)
	if len(all) != 1 || len(all[0].Finalizers) != 1 || all[0].Spec.TTLSecondsAfterFinished != nil {
		t.Fatalf("jobs %+v; want one, which is kept", all)
	}
	if want := "kube/" + execution + "/" + all[0].Name + "/" + string(all[0].UID); o.Place != want {
		t.Errorf("it ran at %q, want %q", o.Place, want)
	}
	// A worker that runs it again, because its outcome was lost, reads the same.
	again, err := r.Run(t.Context(), allowed(t, i))
	if err != nil || string(again.Result) != string(o.Result) || again.Place != o.Place {
		t.Errorf("once more it is %+v, %v", again, err)
	}
	if err := r.Release(t.Context(), i.CallID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the Job to go", func(context.Context) bool { return len(jobs(t, i.CallID)) == 0 })
	wantNothingLeft(t, i)
}

// TestEnds: each way to end has its own words, in seconds and not at the
// deadline.
func TestEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		reason, tool string
		arguments    map[string]any
		state        sallyport.State
		code, says   string
		within       time.Duration
	}{
		"Said":             {"words are words, whatever stands in them", "odd_say", map[string]any{"word": "a b;$(CALL_ID)$$", "count": 7}, sallyport.StateSucceeded, "", `{"output":"--word=a b;$(CALL_ID)$$|7|$(HOME) $$(CALL_ID)\n"}`, 0},
		"Optional":         {"a word of an absent argument is left out", "odd_say", map[string]any{}, sallyport.StateSucceeded, "", `{"output":"$(HOME) $$(CALL_ID)\n"}`, 0},
		"Failed":           {"the tool's own failure", "odd_fail", nil, sallyport.StateFailed, "exit_code", "exit code 3: it \\u{001b}[31mhurts", 0},
		"Shouted":          {"the manifest's limit of the output holds", "odd_shout", nil, sallyport.StateFailed, "output_too_large", "4096 bytes", 0},
		"Ate":              {"a read that was killed is only a failure", "odd_eat", nil, sallyport.StateFailed, "out_of_memory", "OOMKilled", 0},
		"AteWriting":       {"it may have written before", "odd_eat_write", nil, sallyport.StateAmbiguous, "out_of_memory", "OOMKilled", 0},
		"Late":             {"it is ended", "odd_wait", nil, sallyport.StateFailed, "timeout", "within its time limit", 0},
		"LateWriting":      {"it may have written before", "odd_wait_write", nil, sallyport.StateAmbiguous, "timeout", "within its time limit", 0},
		"NoImage":          {"the registry will not have it in 20 s either", "odd_absent", nil, sallyport.StateFailed, "image_unavailable", "absent", 15 * time.Second},
		"NoClass":          {"the cluster has no such runtime class", "odd_nowhere", nil, sallyport.StateFailed, "pod_refused", "nowhere", 15 * time.Second},
		"NoNode":           {"no node is for that runtime class", "odd_homeless", nil, sallyport.StateFailed, "unschedulable", "didn't match", 15 * time.Second},
		"Filled":           {"the node takes its disk back", "odd_fill", nil, sallyport.StateFailed, "evicted", "exceeds the limit", 0},
		"Cancelled":        {"an operator cancels it", "odd_wait", nil, sallyport.StateFailed, "cancelled", "stopped", 0},
		"CancelledWriting": {"it may have written before", "odd_wait_write", nil, sallyport.StateAmbiguous, "cancelled", "stopped", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tt.arguments == nil {
				tt.arguments = map[string]any{}
			}
			i := intent(t, tt.tool, tt.arguments)
			began := time.Now()
			r := runner(t)
			ctx := t.Context()
			switch {
			case strings.HasPrefix(name, "Late"):
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 6*time.Second)
				defer cancel()
			case strings.HasPrefix(name, "Cancelled"):
				var cancel context.CancelFunc
				ctx, cancel = context.WithCancel(ctx)
				defer cancel()
				go cancelRunning(ctx, cancel, i)
			}
			o, err := r.Run(ctx, allowed(t, i))
			took := time.Since(began)
			if err != nil {
				t.Fatalf("Run: %v: %s", err, tt.reason)
			}
			said := string(o.Result)
			code := ""
			if o.Error != nil {
				said, code = o.Error.Message, o.Error.Code
			}
			if o.State != tt.state || code != tt.code || !strings.Contains(said, tt.says) {
				t.Errorf("it ended %s %q: %s; want %s %q: %s: %s", o.State, code, said, tt.state, tt.code, tt.says, tt.reason)
			}
			if tt.within > 0 && took > tt.within {
				t.Errorf("it took %v: %s", took, tt.reason)
			}
			wantNothingLeft(t, i)
			if err := r.Release(t.Context(), i.CallID); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the Job to go", func(context.Context) bool { return len(jobs(t, i.CallID)) == 0 })
		})
	}
}

// cancelRunning cancels a call once its process runs.
func cancelRunning(ctx context.Context, cancel context.CancelFunc, i sallyport.Intent) {
	_ = wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) { // the test waits for what comes of it
		l, err := bench.admin.CoreV1().Pods(execution).List(ctx, metav1.ListOptions{LabelSelector: "sallyport.dev/call=" + i.CallID})
		return err == nil && len(l.Items) == 1 && l.Items[0].Status.Phase == corev1.PodRunning, nil
	})
	cancel()
}
