//go:build e2e

package e2e_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/e2e/cluster"
	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/tools"
	"github.com/sallyport/sallyport/tools/k8s"
	"github.com/sallyport/sallyport/tools/wire"
)

// toolCall is a call of a built-in tool, resolved as the gateway does.
type toolCall struct {
	ns     string
	intent sallyport.Intent
	rules  []tools.KubernetesRule
}

func callOf(t *testing.T, ns, tool string, arguments map[string]any) *toolCall {
	t.Helper()
	catalogue, err := tools.Load(tools.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	arguments["namespace"] = ns
	raw, err := strict.Canonical(arguments)
	if err != nil {
		t.Fatal(err)
	}
	var bits [16]byte
	if _, err := rand.Read(bits[:]); err != nil {
		t.Fatal(err)
	}
	agent := sallyport.Agent{ID: "deploy-bot"}
	intent, err := catalogue.Resolve(sallyport.Call{
		ID: sallyport.CallID(bits), AgentID: agent.ID, Tool: tool, Arguments: raw, ReceivedAt: time.Now(),
	}, agent)
	if err != nil {
		t.Fatal(err)
	}
	m, _ := catalogue.Manifest(tool)
	return &toolCall{ns: ns, intent: intent, rules: m.Permissions.Kubernetes}
}

func (c *toolCall) object(mode wire.Mode) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: "agent-tool-" + string(mode) + "-" + c.intent.CallID, Namespace: c.ns}
}

// grant makes an account that may do what the manifest says for this call in
// one mode, and nothing else.
func (c *toolCall) grant(t *testing.T, mode wire.Mode) *rest.Config {
	t.Helper()
	meta := c.object(mode)
	role := &rbacv1.Role{ObjectMeta: meta}
	for _, r := range c.rules {
		if r.For != "" && r.For != c.intent.Resource || r.When == tools.WhenRun && mode != wire.ModeRun || r.When == tools.WhenPlan && mode == wire.ModeRun {
			continue
		}
		rule := rbacv1.PolicyRule{APIGroups: []string{r.Group}, Resources: []string{r.Resource}, Verbs: r.Verbs}
		if r.Objects == tools.ObjectsNamed {
			rule.ResourceNames = []string{c.intent.Name}
		}
		role.Rules = append(role.Rules, rule)
	}
	role.Rules = append(role.Rules, rbacv1.PolicyRule{
		APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get", "patch"}, ResourceNames: []string{meta.Name},
	})
	account, err := client.CoreV1().ServiceAccounts(c.ns).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: meta}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.RbacV1().Roles(c.ns).Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.RbacV1().RoleBindings(c.ns).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: account.Name, Namespace: c.ns}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	token, err := client.CoreV1().ServiceAccounts(c.ns).CreateToken(t.Context(), account.Name, &authv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	admin, err := shared.Config()
	if err != nil {
		t.Fatal(err)
	}
	config := rest.AnonymousClientConfig(admin)
	config.BearerToken = token.Status.Token
	return config
}

// free makes the lease of the call.
func (c *toolCall) free(t *testing.T) k8s.Lease {
	t.Helper()
	meta := c.object(wire.ModeRun)
	if _, err := client.CoordinationV1().Leases(c.ns).Create(t.Context(), &coordinationv1.Lease{
		ObjectMeta: meta, Spec: coordinationv1.LeaseSpec{HolderIdentity: new("")},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return k8s.Lease{Namespace: c.ns, Name: meta.Name, Holder: "pod-of-" + c.intent.CallID}
}

// in carries out the call in one mode, with the account that is granted to it.
func (c *toolCall) in(t *testing.T, mode wire.Mode, plan *sallyport.Plan) wire.Response {
	t.Helper()
	return c.through(t, c.grant(t, mode), mode, plan)
}

func (c *toolCall) through(t *testing.T, config *rest.Config, mode wire.Mode, plan *sallyport.Plan) wire.Response {
	t.Helper()
	api, err := k8s.Connect(config)
	if err != nil {
		t.Fatal(err)
	}
	var lease k8s.Lease
	if mode == wire.ModeRun && !c.intent.Tool.ReadOnly {
		lease = c.free(t)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return k8s.Run(ctx, wire.Request{Mode: mode, Intent: c.intent, Plan: plan}, api, lease)
}

func (c *toolCall) planned(t *testing.T) *sallyport.Plan {
	t.Helper()
	res := c.in(t, wire.ModePlan, nil)
	if res.Plan == nil {
		t.Fatalf("no plan: %+v", res.Error)
	}
	return res.Plan
}

// outcome is what tests look at in results, of whatever tool.
type outcome struct {
	Changed    bool                     `json:"changed"`
	UID        string                   `json:"uid"`
	Generation int64                    `json:"generation"`
	Replicas   struct{ Desired int64 }  `json:"replicas"`
	Images     []struct{ Image string } `json:"images"`
	Pods       []map[string]any         `json:"pods"`
	Log        string                   `json:"log"`
	Truncated  bool                     `json:"truncated"`
	Changes    []sallyport.Change       `json:"changes"`
	Conditions []map[string]any         `json:"conditions"`
}

func wantResult(t *testing.T, res wire.Response) (o outcome) {
	t.Helper()
	if res.Error != nil || res.Result == nil {
		t.Fatalf("no result: %+v", res.Error)
	}
	if err := json.Unmarshal(res.Result, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func wantCode(t *testing.T, res wire.Response, code string) {
	t.Helper()
	if res.Error == nil || res.Error.Code != code || res.Error.Message == "" || res.Unknown {
		t.Errorf("response %+v (%+v, unknown %t), want the code %s", res, res.Error, res.Unknown, code)
	}
}

// deployment makes one whose pods run.
func deployment(t *testing.T, ns, name string, change ...func(*appsv1.Deployment)) *appsv1.Deployment {
	t.Helper()
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: ns},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(1)), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": name}}, Spec: spec(cluster.Testbox, "pause")},
		},
	}
	d.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyAlways
	d.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "PASSWORD", Value: "hunter2"}}
	for _, c := range change {
		c(d)
	}
	d, err := client.AppsV1().Deployments(ns).Create(t.Context(), d, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func current(t *testing.T, d *appsv1.Deployment) *appsv1.Deployment {
	t.Helper()
	d, err := client.AppsV1().Deployments(d.Namespace).Get(t.Context(), d.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// available waits until the controller has seen a deployment and its pods are
// available, after which its object stays as it is.
func available(t *testing.T, d *appsv1.Deployment) *appsv1.Deployment {
	t.Helper()
	eventually(t, "the deployment "+d.Name, func(ctx context.Context) (bool, error) {
		var err error
		d, err = client.AppsV1().Deployments(d.Namespace).Get(ctx, d.Name, metav1.GetOptions{})
		return err == nil && d.Status.ObservedGeneration == d.Generation && d.Status.AvailableReplicas == *d.Spec.Replicas &&
			d.Status.Replicas == *d.Spec.Replicas && slices.ContainsFunc(d.Status.Conditions, func(c appsv1.DeploymentCondition) bool {
			return c.Reason == "NewReplicaSetAvailable"
		}), err
	})
	return d
}

// unreliable is a way to the API server on which fault decides what becomes
// of requests: it is asked with "before" a request is passed on, and with
// "after" when its answer would be, and says whether to break the connection.
func unreliable(t *testing.T, config *rest.Config, fault func(when string, r *http.Request) bool) *rest.Config {
	t.Helper()
	target, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: transport, ErrorLog: quiet(),
		ModifyResponse: func(r *http.Response) error {
			if fault("after", r.Request) {
				return http.ErrAbortHandler
			}
			return nil
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	address := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fault("before", r) {
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, r)
	}))
	return &rest.Config{Host: "http://" + address}
}

func writes(r *http.Request) bool {
	return r.Method != http.MethodGet && !strings.Contains(r.URL.Path, "/leases/")
}
