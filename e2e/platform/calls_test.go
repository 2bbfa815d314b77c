//go:build e2e

package platform_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/e2e/platform"
	"github.com/sallyport/sallyport/tools/wire"
)

// patience is for a machine that has much else to do.
const patience = 3 * time.Minute

// submit sends a call and waits for its answer.
func submit(t *testing.T, agent *client.Client, tool, format string, args ...any) (client.Call, error) {
	t.Helper()
	return agent.Submit(t.Context(), client.Submission{Tool: tool, Arguments: json.RawMessage(fmt.Sprintf(format, args...)), Wait: time.Minute})
}

// refused checks that the response is a problem with a status and a code.
func refused(t *testing.T, err error, status int, code string) {
	t.Helper()
	p, ok := errors.AsType[*client.Problem](err)
	if !ok || p.Status != status || !strings.Contains(p.Code+fmt.Sprint(p.Reasons), code) {
		t.Fatalf("the answer is %v (%+v); want a problem of status %d, %s", err, p, status, code)
	}
}

// ended waits for the end of a call.
func ended(t *testing.T, agent *client.Client, id string) client.Call {
	t.Helper()
	var call client.Call
	eventually(t, "the end of call "+id, func(ctx context.Context) bool {
		var err error
		call, err = agent.Get(ctx, id, 10*time.Second)
		return err == nil && call.State.Final()
	})
	return call
}

func eventually(t *testing.T, what string, ask func(context.Context) bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) { return ask(ctx), nil })
	if err != nil {
		t.Fatalf("waiting for %s: %v", what, err)
	}
}

// target is a deployment of its own for one test.
func target(t *testing.T, namespace, name string) *appsv1.Deployment {
	t.Helper()
	d, err := shared.Kube.AppsV1().Deployments(namespace).Create(t.Context(), platform.Server(namespace, name), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := shared.Kube.AppsV1().Deployments(namespace).Delete(context.Background(), name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	return d
}

func current(t *testing.T, d *appsv1.Deployment) *appsv1.Deployment {
	t.Helper()
	d, err := shared.Kube.AppsV1().Deployments(d.Namespace).Get(t.Context(), d.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// scaledOnce checks that a call has scaled a deployment, and nothing
// else: its generation counts the changes of its specification.
func scaledOnce(t *testing.T, d *appsv1.Deployment, callID string, replicas int32) {
	t.Helper()
	if now := current(t, d); *now.Spec.Replicas != replicas || now.Annotations[wire.AnnotationCall] != callID || now.Generation != 2 {
		t.Errorf("%s has %d replicas, generation %d, by call %q; want %d, scaled once by %s",
			d.Name, *now.Spec.Replicas, now.Generation, now.Annotations[wire.AnnotationCall], replicas, callID)
	}
}

// nothingLeft checks that the cluster has no object of a call but, for its time
// to live, its Job.
func nothingLeft(t *testing.T, callID string) {
	t.Helper()
	o := metav1.ListOptions{LabelSelector: "sallyport.dev/call=" + callID}
	var names []string
	for _, ns := range []string{platform.Execution, "staging", "production"} {
		roles, err := shared.Kube.RbacV1().Roles(ns).List(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range roles.Items {
			names = append(names, "role "+r.Name)
		}
		bindings, err := shared.Kube.RbacV1().RoleBindings(ns).List(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range bindings.Items {
			names = append(names, "rolebinding "+r.Name)
		}
		leases, err := shared.Kube.CoordinationV1().Leases(ns).List(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range leases.Items {
			names = append(names, "lease "+r.Name)
		}
	}
	accounts, err := shared.Kube.CoreV1().ServiceAccounts(platform.Execution).List(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	policies, err := shared.Kube.NetworkingV1().NetworkPolicies(platform.Execution).List(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(accounts.Items)+len(policies.Items)+len(names) > 0 {
		t.Errorf("of call %s there are left %v, %d accounts, %d network policies", callID, names, len(accounts.Items), len(policies.Items))
	}
}

func jobs(ctx context.Context, callID string) []batchv1.Job {
	l, err := shared.Kube.BatchV1().Jobs(platform.Execution).List(ctx, metav1.ListOptions{LabelSelector: "sallyport.dev/call=" + callID + ",sallyport.dev/mode=run"})
	if err != nil {
		return nil
	}
	return l.Items
}

func TestReadInProduction(t *testing.T) {
	call, err := submit(t, agentClient(t, "deploy-bot"), "k8s_get_deployment", `{"namespace":"production","name":"api-server"}`)
	if err != nil || call.State != sallyport.StateSucceeded || call.Result == nil || !call.Result.Untrusted || !strings.Contains(string(call.Result.Content), `"name":"api-server"`) {
		t.Fatalf("the answer is %+v, %v; want the deployment's state", call, err)
	}
	nothingLeft(t, call.ID)
	// Its pod's log, which the worker reads where no result is posted, says the same.
	pods, err := shared.Kube.CoreV1().Pods(platform.Execution).List(t.Context(), metav1.ListOptions{LabelSelector: "sallyport.dev/call=" + call.ID})
	if err != nil || len(pods.Items) != 1 {
		t.Fatalf("the call has %d pods, %v", len(pods.Items), err)
	}
	var log []byte
	eventually(t, "its log", func(ctx context.Context) bool { // the answer is there before Kubernetes knows that it ran
		var err error
		log, err = shared.Kube.CoreV1().Pods(platform.Execution).GetLogs(pods.Items[0].Name, &corev1.PodLogOptions{}).DoRaw(ctx)
		return err == nil && bytes.HasSuffix(log, []byte("\n"))
	})
	if said, err := wire.Read(bytes.TrimSpace(log), wire.ModeRun); err != nil || string(said.Result) != string(call.Result.Content) {
		t.Errorf("its log says %s, %v; its answer was %s", log, err, call.Result.Content)
	}
	eventually(t, "its Job to go", func(ctx context.Context) bool { return len(jobs(ctx, call.ID)) == 0 })
}

func TestLogs(t *testing.T) {
	agent := agentClient(t, "triage-bot")
	list, err := submit(t, agent, "k8s_list_pods", `{"namespace":"staging","selector":"app=api-server"}`)
	if err != nil || list.Result == nil {
		t.Fatalf("pods: %+v, %v", list, err)
	}
	var pods struct {
		Pods []struct {
			Name string `json:"name"`
		} `json:"pods"`
	}
	if err := json.Unmarshal(list.Result.Content, &pods); err != nil || len(pods.Pods) != 1 {
		t.Fatalf("pods: %s, %v", list.Result.Content, err)
	}
	call, err := submit(t, agent, "k8s_pod_logs", `{"namespace":"staging","name":%q}`, pods.Pods[0].Name)
	if err != nil || call.State != sallyport.StateSucceeded {
		t.Errorf("logs in staging: %+v, %v", call, err)
	}
	_, err = submit(t, agent, "k8s_pod_logs", `{"namespace":"production","name":"api-server-0"}`)
	refused(t, err, http.StatusForbidden, "action_outside_environment")
}

func TestScale(t *testing.T) {
	d := target(t, "staging", "scaled")
	agent := agentClient(t, "deploy-bot")
	call, err := submit(t, agent, "k8s_scale_deployment", `{"namespace":"staging","name":"scaled","replicas":2}`)
	if err != nil || call.State != sallyport.StateSucceeded {
		t.Fatalf("within the cap: %+v, %v", call, err)
	}
	scaledOnce(t, d, call.ID, 2)
	provenPlace(t, agent, call.ID)
	nothingLeft(t, call.ID)
	_, err = submit(t, agent, "k8s_scale_deployment", `{"namespace":"staging","name":"scaled","replicas":11}`)
	refused(t, err, http.StatusForbidden, "replica_cap")
	scaledOnce(t, d, call.ID, 2)
}

// provenPlace checks that a call's proof names the Job that ran it, and its image.
func provenPlace(t *testing.T, agent *client.Client, callID string) {
	t.Helper()
	made := jobs(t.Context(), callID)
	if len(made) != 1 {
		t.Fatalf("the call has %d Jobs", len(made))
	}
	var raw json.RawMessage
	eventually(t, "a checkpoint over all of the call", func(ctx context.Context) (ok bool) {
		var err error
		raw, err = agent.Proof(ctx, callID)
		return err == nil
	})
	var proof struct{ Leaves []struct{ Leaf string } }
	if err := json.Unmarshal(raw, &proof); err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for _, p := range proof.Leaves {
		var l struct{ Kind, Place, UID, Image string }
		if err := json.Unmarshal([]byte(p.Leaf), &l); err != nil {
			t.Fatal(err)
		}
		said[l.Kind] = strings.Join([]string{l.Place, l.UID, l.Image}, " ")
	}
	place, image := "kube/"+platform.Execution+"/"+made[0].Name, made[0].Spec.Template.Spec.Containers[0].Image
	want := map[string]string{"start": place + "  " + image, "placed": place + " " + string(made[0].UID) + " " + image}
	if said["start"] != want["start"] || said["placed"] != want["placed"] {
		t.Errorf("its leaves say %v; want %v", said, want)
	}
}

// asks sends a call that waits for people.
func asks(t *testing.T, agent *client.Client, d *appsv1.Deployment) client.Call {
	t.Helper()
	call, err := submit(t, agent, "k8s_scale_deployment", `{"namespace":"production","name":%q,"replicas":2}`, d.Name)
	if err != nil || call.State != sallyport.StateAwaitingApproval || call.Plan == nil || call.Plan.Summary != "replicas 1 → 2" {
		t.Fatalf("the answer is %+v (%+v), %v; want it to wait, with its plan", call, call.Plan, err)
	}
	return call
}

// approve votes in the Temporal UI as the browser does it: logged in, by a
// signal.
func approve(t *testing.T, call client.Call, person string) {
	t.Helper()
	paper, err := json.Marshal(sallyport.BallotPaper{Verdict: sallyport.Approve, Ballot: call.Ballot.Digest})
	if err != nil {
		t.Fatal(err)
	}
	if err := shared.Signal(t.Context(), person, "call-"+call.ID, "approve", paper); err != nil {
		t.Fatal(err)
	}
}

func TestApprovedInTheTemporalUI(t *testing.T) {
	d := target(t, "production", "approved")
	agent := agentClient(t, "deploy-bot")
	call := asks(t, agent, d)
	if n := len(jobs(t.Context(), call.ID)); n != 0 {
		t.Errorf("there are %d runs before the approval", n)
	}
	approve(t, call, "bob")
	if end := ended(t, agent, call.ID); end.State != sallyport.StateSucceeded || len(end.Ballot.Votes) != 1 || end.Ballot.Votes[0].Person != "bob" {
		t.Fatalf("it ended %s (%+v)", end.State, end.Error)
	}
	scaledOnce(t, d, call.ID, 2)
	nothingLeft(t, call.ID)
}

// TestDriftInBetween: what people approved is what runs, or nothing does.
func TestDriftInBetween(t *testing.T) {
	d := target(t, "production", "drifting")
	agent := agentClient(t, "deploy-bot")
	call := asks(t, agent, d)
	s, err := shared.Kube.AppsV1().Deployments("production").GetScale(t.Context(), d.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s.Spec.Replicas = 4
	if _, err := shared.Kube.AppsV1().Deployments("production").UpdateScale(t.Context(), d.Name, s, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	approve(t, call, "bob")
	if end := ended(t, agent, call.ID); end.State != sallyport.StateDenied || end.Error == nil || end.Error.Code != "drift" {
		t.Errorf("it ended %s (%+v); want it denied for the drift", end.State, end.Error)
	}
	if now := current(t, d); *now.Spec.Replicas != 4 {
		t.Errorf("there are %d replicas", *now.Spec.Replicas)
	}
	nothingLeft(t, call.ID)
}

// TestFifty: as many calls at once as a busy fleet of agents makes.
func TestFifty(t *testing.T) {
	const calls = 50
	agent := agentClient(t, "deploy-bot")
	began := time.Now()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var slowest time.Duration
	for range calls {
		wg.Go(func() {
			began := time.Now()
			call, err := submit(t, agent, "k8s_get_deployment", `{"namespace":"staging","name":"api-server"}`)
			if err == nil && !call.State.Final() { // it took longer than the API lets a client wait
				call = ended(t, agent, call.ID)
			}
			if err != nil || call.State != sallyport.StateSucceeded {
				t.Errorf("one of %d calls ended %s (%+v), %v", calls, call.State, call.Error, err)
			}
			mu.Lock()
			defer mu.Unlock()
			slowest = max(slowest, time.Since(began))
		})
	}
	wg.Wait()
	if t.Failed() {
		t.Log(shared.Log(t.Context(), platform.Namespace, "app.kubernetes.io/component=worker"))
	}
	t.Logf("%d calls at once: the last after %v, %.1f calls/s", calls, slowest.Round(time.Millisecond), calls/time.Since(began).Seconds())
	eventually(t, "all permissions of the calls to be revoked", func(ctx context.Context) bool {
		l, err := shared.Kube.CoreV1().ServiceAccounts(platform.Execution).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/managed-by=sallyport"})
		return err == nil && len(l.Items) == 0
	})
}
