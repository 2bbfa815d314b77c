package kube

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/tools"
	"github.com/sallyport/sallyport/tools/wire"
)

func taskOf(t *testing.T, tool, arguments string, mode wire.Mode) task {
	t.Helper()
	c, err := tools.Load(tools.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	agent := sallyport.Agent{ID: "deploy-bot"}
	i, err := c.Resolve(sallyport.Call{ID: sallyport.CallID([16]byte{1}), AgentID: agent.ID, Tool: tool, Arguments: json.RawMessage(arguments)}, agent)
	if err != nil {
		t.Fatal(err)
	}
	m, _ := c.Manifest(tool)
	return task{name: runName(i.CallID), mode: mode, intent: i, manifest: m, limit: time.Minute, expires: noon}
}

func rule(group, resource, name string, verbs ...string) rbacv1.PolicyRule {
	r := rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: verbs}
	if name != "" {
		r.ResourceNames = []string{name}
	}
	return r
}

// TestRoles: a ServiceAccount has least privilege: what its call needs, and
// nothing else.
func TestRoles(t *testing.T) {
	name := runName(sallyport.CallID([16]byte{1}))
	lease := rule("coordination.k8s.io", "leases", name, "get", "patch")
	configMap := `{"manifest":{"apiVersion":"v1","data":{"a":"b"},"kind":"ConfigMap","metadata":{"name":"settings"}},"namespace":"staging"}`
	for name, tt := range map[string]struct {
		tool, arguments string
		mode            wire.Mode
		want            []rbacv1.PolicyRule
	}{
		"Get":       {"k8s_get_deployment", `{"name":"api","namespace":"staging"}`, wire.ModeRun, []rbacv1.PolicyRule{rule("apps", "deployments", "api", "get")}},
		"List":      {"k8s_list_pods", `{"namespace":"staging"}`, wire.ModeRun, []rbacv1.PolicyRule{rule("", "pods", "", "list")}},
		"ScalePlan": {"k8s_scale_deployment", `{"name":"api","namespace":"staging","replicas":2}`, wire.ModePlan, []rbacv1.PolicyRule{rule("apps", "deployments", "api", "get")}},
		"Scale": {"k8s_scale_deployment", `{"name":"api","namespace":"staging","replicas":2}`, wire.ModeRun, []rbacv1.PolicyRule{
			rule("apps", "deployments", "api", "get"), rule("apps", "deployments", "api", "patch"), lease,
		}},
		"ScaleLook": {"k8s_scale_deployment", `{"name":"api","namespace":"staging","replicas":2}`, wire.ModeReconcile, []rbacv1.PolicyRule{rule("apps", "deployments", "api", "get")}},
		"Apply":     {"k8s_apply_manifest", configMap, wire.ModeRun, []rbacv1.PolicyRule{rule("", "configmaps", "settings", "get", "create", "patch"), lease}},
		"ApplyPlan": {"k8s_apply_manifest", configMap, wire.ModePlan, []rbacv1.PolicyRule{rule("", "configmaps", "settings", "get", "create", "patch")}},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, taskOf(t, tt.tool, tt.arguments, tt.mode).role().Rules); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

func runnerOf(t *testing.T) *Runner {
	t.Helper()
	client, err := kubernetes.NewForConfig(&rest.Config{Host: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	o := options()
	o.Client = client
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func options() Options {
	c, _ := tools.Load(tools.Embedded())
	return Options{
		Recorder: sallyporttest.NewLedger(), Catalogue: c, Namespace: "agent-execution", Targets: []string{"staging"}, Executor: "registry.example/kubeexec@sha256:" + strings.Repeat("0", 64),
		APIServer: []tools.Network{{CIDR: "192.0.2.1/32", Port: 6443}}, Patience: time.Second, Logger: slog.New(slog.DiscardHandler),
	}
}

// TestOptionsRefuse: New refuses wrong options.
func TestOptionsRefuse(t *testing.T) {
	client, err := kubernetes.NewForConfig(&rest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		wrong func(*Options)
		want  string
	}{
		"NoClient":       {func(o *Options) { o.Client = nil }, "required"},
		"NoTargets":      {func(o *Options) { o.Targets = nil }, "Targets is empty"},
		"SameTarget":     {func(o *Options) { o.Targets = []string{o.Namespace} }, "a namespace for Jobs alone"},
		"Tag":            {func(o *Options) { o.Executor = "registry.example/kubeexec:1" }, "pinned by digest"},
		"NoAPI":          {func(o *Options) { o.APIServer = nil }, "APIServer is empty"},
		"NoPatience":     {func(o *Options) { o.Patience = 0 }, "Patience"},
		"ReceiverByName": {func(o *Options) { o.ResultReceiver = &ResultReceiver{Address: "worker.example:8443"} }, "IP address"},
		"HalfAReceiver":  {func(o *Options) { o.ResultReceiver = &ResultReceiver{Address: "192.0.2.1:8443"} }, "all fields of ResultReceiver"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options()
			o.Client = client
			tt.wrong(&o)
			if _, err := New(o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New = %v; want %q", err, tt.want)
			}
		})
	}
}

// TestPodHoldsNoSecret: every account that may read pods reads their
// environment.
func TestPodHoldsNoSecret(t *testing.T) {
	r := runnerOf(t)
	j, err := r.job(taskOf(t, "k8s_scale_deployment", `{"name":"api","namespace":"staging","replicas":2}`, wire.ModeRun))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"secretKeyRef", "secretName", "hostPath", "envFrom"} {
		if bytes.Contains(text, []byte(word)) {
			t.Errorf("the Job has a %s", word)
		}
	}
	if j.Spec.TTLSecondsAfterFinished != nil || !slices.Contains(j.Finalizers, finalizer) {
		t.Error("the Job may go before its outcome is recorded")
	}
}

// TestTooLarge: a request that the environment cannot hold is refused before
// anything is created.
func TestTooLarge(t *testing.T) {
	r := runnerOf(t)
	k := taskOf(t, "k8s_scale_deployment", `{"name":"api","namespace":"staging","replicas":2}`, wire.ModeRun)
	k.plan = &sallyport.Plan{Diff: strings.Repeat("+", maxRequest)}
	if _, err := r.job(k); sallyport.CodeOf(err) != "too_large" {
		t.Errorf("job = %v; want too_large", err)
	}
}
