package kube

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clienttesting "k8s.io/client-go/testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools"
	"github.com/sallyport/sallyport/tools/wire"
)

// TestBegin: a worker that was suspended after it got its permit creates a Job
// that must not begin any more: meanwhile another worker's Job may have run and
// been deleted.
func TestBegin(t *testing.T) {
	r, client := faking(t)
	i := scaling(t).intent
	var request wire.Request
	react(client, "create", "jobs", func(a clienttesting.Action) (runtime.Object, error) {
		for _, e := range a.(clienttesting.CreateAction).GetObject().(*batchv1.Job).Spec.Template.Spec.Containers[0].Env {
			if e.Name == wire.EnvRequest {
				if err := json.Unmarshal([]byte(e.Value), &request); err != nil {
					t.Error(err)
				}
			}
		}
		return nil, forbidden("jobs")
	})
	permitted := time.Now().Add(-10 * time.Minute).Truncate(time.Second)
	if _, err := r.Run(t.Context(), permitOf(t, i, permitted)); err == nil {
		t.Error("a run without a Job is no error")
	}
	if want := permitted.Add(45 * time.Second); !request.Expires.Equal(want) {
		t.Errorf("the Job may begin until %s, want %s, which is in the past", request.Expires, want)
	}
}

// TestLeaseDecides: the holder of the Lease decides whether a call has begun, not
// what one pod reports about itself.
func TestLeaseDecides(t *testing.T) {
	notBegun := func(t *testing.T, r *Runner, j *batchv1.Job) {
		t.Helper()
		post(t, r, j.Name, `{"error":{"code":"not_begun","message":"another pod has begun this call"}}`)
	}
	noImage := func(t *testing.T, r *Runner, j *batchv1.Job) {
		t.Helper()
		see(t, r, j, waiting("ImagePullBackOff"))
	}
	for name, tt := range map[string]struct {
		reason, holder string
		happens        func(*testing.T, *Runner, *batchv1.Job)
		want           sallyport.State
	}{
		"NotBegun":      {"the executor's time was over, and no pod can acquire the Lease any more", "", notBegun, sallyport.StateFailed},
		"OtherBegan":    {"another pod of the call may have acted", "a-pod", notBegun, sallyport.StateAmbiguous},
		"WorkerHasIt":   {"an earlier worker acquired the Lease, so that no pod begins", worker, notBegun, sallyport.StateFailed},
		"NoImage":       {"nothing began", "", noImage, sallyport.StateFailed},
		"ImageAfterAll": {"the node had the image at last, and the pod began while the worker gave it up", "a-pod", noImage, sallyport.StateAmbiguous},
	} {
		t.Run(name, func(t *testing.T) {
			k := scaling(t)
			j := &batchv1.Job{ObjectMeta: k.meta("agent-execution")}
			j.UID, j.CreationTimestamp = "job", metav1.Now()
			lease := k.lease()
			lease.Spec.HolderIdentity = &tt.holder
			r, client := faking(t, j, lease)
			leasing(t, client, lease)
			react(client, "create", "jobs", func(clienttesting.Action) (runtime.Object, error) { return nil, forbidden("jobs") }) // of the search for the effect
			done := make(chan sallyport.Outcome, 1)
			go func() { done <- r.follow(t.Context(), k, j, time.Now()) }()
			tt.happens(t, r, j)
			if o := <-done; o.State != tt.want {
				t.Errorf("outcome %+v (%+v), want it %s: %s", o, o.Error, tt.want, tt.reason)
			}
		})
	}
}

// TestRunRecordsItsJob: the worker records the Job of a run in the ledger before
// it returns the outcome, and a ledger that is out of reach changes no outcome.
func TestRunRecordsItsJob(t *testing.T) {
	for name, fault := range map[string]error{"Recorded": nil, "OutOfReach": sallyport.Errorf(sallyport.Unavailable, "ledger_unavailable", "down")} {
		t.Run(name, func(t *testing.T) {
			k := scaling(t)
			j := &batchv1.Job{ObjectMeta: k.meta("agent-execution")}
			j.UID, j.CreationTimestamp = "job", metav1.Now()
			j.Spec.Template.Spec.Containers = []corev1.Container{{Name: container, Image: "kubeexec@sha256:1"}}
			r, _ := faking(t, j)
			var recorded []sallyport.Entry
			r.o.Recorder = sallyport.RecorderFunc(func(_ context.Context, e sallyport.Entry) (sallyport.Receipt, error) {
				recorded = append(recorded, e)
				return sallyport.Receipt{Entry: e}, fault
			})
			done := make(chan sallyport.Outcome, 1)
			go func() { done <- r.follow(t.Context(), k, j, time.Now()) }()
			post(t, r, k.name, `{"result":{"replicas":5}}`)
			if o := <-done; o.State != sallyport.StateSucceeded {
				t.Errorf("outcome %+v (%+v)", o, o.Error)
			}
			want := &sallyport.Placement{Place: r.Placement(k.intent).Place, UID: "job", Image: "kubeexec@sha256:1"}
			if len(recorded) != 1 || recorded[0].Check() != nil || recorded[0].Key != "job" || !cmp.Equal(want, recorded[0].Placed) {
				t.Errorf("the worker recorded %+v; want %+v", recorded, want)
			}
		})
	}
}

// post posts a response to the waiter for a run, as the run's executor would.
func post(t *testing.T, r *Runner, name, response string) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		_, w := r.pods.waiting(name)
		if w != nil {
			w.posted <- []byte(response)
		}
		return w != nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// see has the runner see a Job's pod.
func see(t *testing.T, r *Runner, j *batchv1.Job, change func(*corev1.Pod)) {
	t.Helper()
	p := podWith(change)
	p.Name, p.Namespace = j.Name+"-x", j.Namespace
	p.OwnerReferences = []metav1.OwnerReference{{UID: j.UID, Controller: new(true)}}
	if err := r.pods.informer.GetIndexer().Add(p); err != nil {
		t.Fatal(err)
	}
	r.pods.wake(p)
}

// TestEndsAfterManifestChange: the worker ends a run by its Job alone, even if the
// tool's manifest has changed since the run began.
func TestEndsAfterManifestChange(t *testing.T) {
	k := scaling(t)
	k.intent.Tool.Digest = sallyport.NewDigest("test", []byte("another manifest"))
	j := &batchv1.Job{ObjectMeta: k.meta("agent-execution")}
	j.UID, j.CreationTimestamp = "job", metav1.Now()
	for name, tt := range map[string]struct {
		objects []runtime.Object
		want    *sallyport.Outcome
	}{
		"Job":   {[]runtime.Object{j}, &sallyport.Outcome{State: sallyport.StateSucceeded}},
		"NoJob": {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := faking(t, tt.objects...)
			var o *sallyport.Outcome
			done := make(chan error, 1)
			go func() {
				var err error
				o, err = r.Reconcile(t.Context(), k.intent)
				done <- err
			}()
			if tt.want != nil {
				post(t, r, j.Name, `{"result":{}}`)
			}
			if err := <-done; err != nil || (o == nil) != (tt.want == nil) || o != nil && o.State != tt.want.State {
				t.Errorf("Reconcile = %+v, %v; want %+v", o, err, tt.want)
			}
			if r.Resumable(k.intent) {
				t.Error("the call may run again with another manifest")
			}
		})
	}
}

// TestCreatedLate: a Job that appears after a request to create it that got no
// response may have acted.
func TestCreatedLate(t *testing.T) {
	k := scaling(t)
	j := &batchv1.Job{ObjectMeta: k.meta("agent-execution")}
	j.UID, j.CreationTimestamp = "job", metav1.Now()
	r, client := faking(t)
	see(t, r, j, because("DeadlineExceeded"))
	react(client, "create", "jobs", func(a clienttesting.Action) (runtime.Object, error) {
		if a.(clienttesting.CreateAction).GetObject().(*batchv1.Job).Name != j.Name { // of the search for the effect
			return nil, forbidden("jobs")
		}
		return nil, apierrors.NewServiceUnavailable("away")
	})
	looks := 0
	react(client, "get", "jobs", func(clienttesting.Action) (runtime.Object, error) {
		if looks++; looks > 1 {
			return j, nil
		}
		return nil, nil //nolint:nilnil // the tracker has none
	})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	o, err := r.Run(ctx, permitOf(t, k.intent, time.Now()))
	if err != nil || o.State != sallyport.StateAmbiguous {
		t.Errorf("Run = %+v, %v; want it ambiguous", o, err)
	}
}

// TestNeverCreated: a run without a Job is an error, and leaves no objects.
func TestNeverCreated(t *testing.T) {
	for name, fault := range map[string]error{"Away": apierrors.NewServiceUnavailable("away"), "Refused": forbidden("jobs")} {
		t.Run(name, func(t *testing.T) {
			r, client := faking(t)
			react(client, "create", "jobs", func(clienttesting.Action) (runtime.Object, error) { return nil, fault })
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			if o, err := r.Run(ctx, permitOf(t, scaling(t).intent, time.Now())); err == nil {
				t.Errorf("Run = %+v; want an error, since nothing was done", o)
			}
			if l, err := client.CoreV1().ServiceAccounts("").List(t.Context(), metav1.ListOptions{}); err != nil || len(l.Items) > 0 {
				t.Errorf("accounts left: %v, %v", l.Items, err)
			}
		})
	}
}

// TestReleaseWithoutDeadline: Release sets a deadline on a Job from which another
// client has removed it.
func TestReleaseWithoutDeadline(t *testing.T) {
	k := scaling(t)
	j := &batchv1.Job{ObjectMeta: k.meta("agent-execution")}
	j.CreationTimestamp, j.Finalizers = metav1.Now(), []string{finalizer}
	r, client := faking(t, j)
	if err := r.Release(t.Context(), k.intent.CallID); err != nil {
		t.Fatal(err)
	}
	got, err := client.BatchV1().Jobs(j.Namespace).Get(t.Context(), j.Name, metav1.GetOptions{})
	if err != nil || got.Spec.ActiveDeadlineSeconds == nil || *got.Spec.ActiveDeadlineSeconds > 2*int64(exitTime.Seconds()) || got.Spec.TTLSecondsAfterFinished == nil {
		t.Errorf("the Job is %+v, %v; want it to end soon, and to go", got.Spec, err)
	}
}

// TestResponseCounts: a response that is there when the time to stop ends counts,
// even if other channels are ready.
func TestResponseCounts(t *testing.T) {
	k := scaling(t)
	j := &batchv1.Job{ObjectMeta: k.meta("agent-execution")}
	j.UID = "job"
	r, client := faking(t, j)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	react(client, "patch", "jobs", func(clienttesting.Action) (runtime.Object, error) { return j, nil })
	for range 64 { // select picks at random
		w, forget := r.pods.wait(k, j.UID)
		w.posted <- []byte(`{"result":{}}`)
		if a := r.stopped(over, k, j, w, jobResult{}); a.failure != nil || len(a.response.Result) == 0 {
			t.Fatalf("the result is %+v; want the posted response", a)
		}
		forget()
	}
}

// TestImageSignal: an exit code above 128 is a signal's, not the image's own.
func TestImageSignal(t *testing.T) {
	for exit, broken := range map[int32]bool{1: false, 128: false, 137: true, 139: true} {
		if a := imageResult([]byte("half of it"), exit, sallyport.Secrets{}); a.broken != broken || !a.began || a.failure == nil {
			t.Errorf("exit code %d is %+v; want broken %t", exit, a, broken)
		}
	}
}

// TestImageOutputIsScrubbed: a redacted argument is left out of an image's last
// words also where these are cut within it.
func TestImageOutputIsScrubbed(t *testing.T) {
	call := sallyport.Call{Arguments: []byte(`{"token":"correct horse"}`), Redact: []string{"/token"}, Seal: []byte("seal")}
	out := "token=correct horse" + strings.Repeat(".", 295)
	a := imageResult([]byte(out), 1, call.Secrets())
	if strings.Contains(a.failure.Message, "horse") || !strings.Contains(a.failure.Message, "cted]....") {
		t.Errorf("the message is %s", a.failure.Message)
	}
}

// TestRevokeElsewhere: a tool without permissions in the cluster may name any
// namespace, and the worker does not touch a namespace that is no target.
func TestRevokeElsewhere(t *testing.T) {
	r, client := faking(t)
	react(client, "delete", "*", func(a clienttesting.Action) (runtime.Object, error) {
		if a.GetNamespace() == "elsewhere" {
			return nil, forbidden(a.GetResource().Resource)
		}
		return nil, nil //nolint:nilnil // the tracker responds
	})
	if err := r.revoke(t.Context(), runName("x"), "elsewhere"); err != nil {
		t.Error(err)
	}
}

// TestUnstarted: a tool's own image acquires no Lease, so its write did not happen
// only if its pod ended without a process.
func TestUnstarted(t *testing.T) {
	never := ended(137, "ContainerStatusUnknown")
	ran := ended(0, "Completed", func(p *corev1.Pod) { p.Status.ContainerStatuses[0].ContainerID = "containerd://x" })
	unscheduled := func(p *corev1.Pod) { p.Spec.NodeName, p.Status.ContainerStatuses = "", nil }
	for name, tt := range map[string]struct {
		reason string
		then   func(*corev1.Pod)
		gone   bool
		want   bool
	}{
		"Never":       {"its node ended it before there was a container", never, false, true},
		"AfterAll":    {"the image was there at the next try", ran, false, false},
		"Unscheduled": {"no node had the pod, and now none will", unscheduled, true, true},
		"Removed":     {"another client removed the pod without waiting for its node", waiting("ImagePullBackOff"), true, false},
	} {
		t.Run(name, func(t *testing.T) {
			k := scaling(t)
			k.manifest.Container = &tools.Container{}
			j := &batchv1.Job{ObjectMeta: k.meta("agent-execution")}
			j.UID = "job"
			r, _ := faking(t, j)
			w, forget := r.pods.wait(k, j.UID)
			defer forget()
			see(t, r, j, waiting("ImagePullBackOff"))
			done := make(chan bool, 1)
			go func() { done <- r.unstarted(t.Context(), k, j, w) }()
			see(t, r, j, tt.then)
			if tt.gone {
				if err := r.pods.informer.GetIndexer().Replace(nil, ""); err != nil {
					t.Fatal(err)
				}
				r.pods.wake(w.seen)
			}
			if got := <-done; got != tt.want {
				t.Errorf("unstarted %t, want %t: %s", got, tt.want, tt.reason)
			}
		})
	}
}
