//go:build e2e

package runs_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/kube"
	"github.com/sallyport/sallyport/e2e/cluster"
	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/tools"
)

// patience is for a machine that has much else to do.
const patience = 2 * time.Minute

// runner is one of the worker's. It gets outcomes from pods' logs alone: pods
// can't connect to the machine that tests run on.
func runner(t *testing.T) *kube.Runner {
	t.Helper()
	return runnerWith(t, bench.worker)
}

func runnerWith(t *testing.T, client kubernetes.Interface) *kube.Runner {
	t.Helper()
	return runnerFor(t, client, 2*time.Second)
}

// runnerFor keeps Jobs for a time after their outcome is recorded.
func runnerFor(t *testing.T, client kubernetes.Interface, ttl time.Duration) *kube.Runner {
	t.Helper()
	o := options(t, client)
	o.TTL = ttl
	return served(t, o)
}

// anyPlace records where runs were without knowing of their calls.
var anyPlace = sallyport.RecorderFunc(func(_ context.Context, e sallyport.Entry) (sallyport.Receipt, error) {
	return sallyport.Receipt{Entry: e}, e.Check()
})

// options are of a runner as the worker has it.
func options(t *testing.T, client kubernetes.Interface) kube.Options {
	t.Helper()
	return kube.Options{
		Client: client, Recorder: anyPlace, Catalogue: bench.catalogue, Namespace: execution, Targets: targets, Executor: bench.executor,
		APIServer: []tools.Network{{CIDR: "10.88.0.1/32", Port: 443}}, TTL: 2 * time.Second, Patience: 3 * time.Second,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

// served is a runner that works until the end of the test.
func served(t *testing.T, o kube.Options) *kube.Runner {
	t.Helper()
	r, err := kube.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return r
}

// intent is a new call of a tool, made precise.
func intent(t *testing.T, tool string, arguments map[string]any) sallyport.Intent {
	t.Helper()
	b, err := strict.Canonical(arguments)
	if err != nil {
		t.Fatal(err)
	}
	var id [16]byte
	_, _ = rand.Read(id[:])
	agent := sallyport.Agent{ID: "deploy-bot", Account: sallyport.Account{Issuer: "https://idp.example", Subject: "deploy-bot"}, Owner: "alice"}
	i, err := bench.catalogue.Resolve(sallyport.Call{
		ID: sallyport.CallID(id), AgentID: agent.ID, Account: agent.Account, Tool: tool, Arguments: b, ReceivedAt: time.Now().UTC().Truncate(time.Millisecond),
	}, agent)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func allowed(t *testing.T, i sallyport.Intent) sallyport.Permit {
	t.Helper()
	return sallyporttest.AllowedPermit(t, i, sallyport.Obligations{})
}

// deployment makes one of a name of its own in staging.
func deployment(t *testing.T, replicas int32) *appsv1.Deployment {
	t.Helper()
	name := "api-" + strings.ToLower(rand.Text())[:8]
	labels := map[string]string{"app": name}
	d, err := bench.admin.AppsV1().Deployments("staging").Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: paused()},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bench.admin.AppsV1().Deployments("staging").Delete(context.Background(), name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	return d
}

func paused() corev1.PodSpec {
	return corev1.PodSpec{
		AutomountServiceAccountToken: new(false), TerminationGracePeriodSeconds: new(int64(1)),
		SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: new(true), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
		Containers: []corev1.Container{{
			Name: "app", Image: cluster.Testbox, Args: []string{"pause"}, ImagePullPolicy: corev1.PullNever,
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			},
		}},
	}
}

func current(t *testing.T, d *appsv1.Deployment) *appsv1.Deployment {
	t.Helper()
	d, err := bench.admin.AppsV1().Deployments(d.Namespace).Get(t.Context(), d.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// left are the objects of a call that are still there, as kind/name, without
// its Job and the Job's pods.
func left(t *testing.T, callID string) []string {
	t.Helper()
	var names []string
	o := metav1.ListOptions{LabelSelector: "sallyport.dev/call=" + callID}
	collect := func(kind string, list any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		b, _ := json.Marshal(list)
		var found struct {
			Items []struct {
				Metadata metav1.ObjectMeta `json:"metadata"`
			} `json:"items"`
		}
		if err := json.Unmarshal(b, &found); err != nil {
			t.Fatal(err)
		}
		for _, i := range found.Items {
			names = append(names, kind+"/"+i.Metadata.Namespace+"/"+i.Metadata.Name)
		}
	}
	for _, ns := range append([]string{execution}, targets...) {
		roles, err := bench.admin.RbacV1().Roles(ns).List(t.Context(), o)
		collect("role", roles, err)
		bindings, err := bench.admin.RbacV1().RoleBindings(ns).List(t.Context(), o)
		collect("rolebinding", bindings, err)
		leases, err := bench.admin.CoordinationV1().Leases(ns).List(t.Context(), o)
		collect("lease", leases, err)
		accounts, err := bench.admin.CoreV1().ServiceAccounts(ns).List(t.Context(), o)
		collect("serviceaccount", accounts, err)
		policies, err := bench.admin.NetworkingV1().NetworkPolicies(ns).List(t.Context(), o)
		collect("networkpolicy", policies, err)
	}
	slices.Sort(names)
	return names
}

func wantNothingLeft(t *testing.T, i sallyport.Intent) {
	t.Helper()
	if names := left(t, i.CallID); len(names) > 0 {
		t.Errorf("after the run there is still %v", names)
	}
}

// jobs are those of a call.
func jobs(t *testing.T, callID string) []batchv1.Job {
	t.Helper()
	l, err := bench.admin.BatchV1().Jobs(execution).List(t.Context(), metav1.ListOptions{LabelSelector: "sallyport.dev/call=" + callID})
	if err != nil {
		t.Fatal(err)
	}
	return l.Items
}

// eventually waits until ask says yes.
func eventually(t *testing.T, what string, ask func(context.Context) bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) { return ask(ctx), nil })
	if err != nil {
		t.Fatalf("waiting for %s: %v", what, err)
	}
}

// dyingClient is the worker's until ctx ends: then nothing that it asks reaches
// the API server any more, as if its process were gone.
func dyingClient(ctx context.Context, t *testing.T) kubernetes.Interface {
	t.Helper()
	config, err := bench.cluster.Config()
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.Burst = 500, 1000
	config.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:sallyport:sallyport-worker",
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:sallyport", "system:authenticated"},
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(q *http.Request) (*http.Response, error) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			return next.RoundTrip(q)
		})
	})
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(q *http.Request) (*http.Response, error) { return f(q) }
