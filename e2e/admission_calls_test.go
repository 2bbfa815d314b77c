//go:build e2e

package e2e_test

import (
	"context"
	"testing"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// grant creates the ServiceAccount, Role and RoleBinding of a call, as the worker does.
func grant(t *testing.T, name string) (account string) {
	t.Helper()
	deployed(t)
	worker := as(t, workerAccount)
	ctx := t.Context()
	if _, err := worker.CoreV1().ServiceAccounts(executions).Create(ctx, callAccount(name), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := worker.RbacV1().Roles(target).Create(ctx, callRole(name), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := worker.RbacV1().RoleBindings(target).Create(ctx, callBinding(name), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.Background()
		for _, err := range []error{
			worker.RbacV1().RoleBindings(target).Delete(ctx, name, metav1.DeleteOptions{}),
			worker.RbacV1().Roles(target).Delete(ctx, name, metav1.DeleteOptions{}),
			worker.CoreV1().ServiceAccounts(executions).Delete(ctx, name, metav1.DeleteOptions{}),
		} {
			if err != nil {
				t.Error(err)
			}
		}
	})
	return "system:serviceaccount:" + executions + ":" + name
}

// settings is an object that calls are about.
func settings(name, call string) *corev1.ConfigMap {
	c := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: target, Name: name}, Data: map[string]string{"k": "v"}}
	if call != "" {
		c.Annotations = map[string]string{"sallyport.dev/call": call}
	}
	return c
}

// present makes the object that a call is about, and removes it afterwards.
func present(t *testing.T, name string) {
	t.Helper()
	if _, err := client.CoreV1().ConfigMaps(target).Create(t.Context(), settings(name, ""), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := client.CoreV1().ConfigMaps(target).Delete(context.Background(), name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	})
}

func fresh(name, call string, dryRun ...string) func(context.Context, kubernetes.Interface) error {
	return func(ctx context.Context, k kubernetes.Interface) error {
		_, err := k.CoreV1().ConfigMaps(target).Create(ctx, settings(name, call), metav1.CreateOptions{DryRun: dryRun})
		return err
	}
}

func change(name, body string, dryRun ...string) func(context.Context, kubernetes.Interface) error {
	return func(ctx context.Context, k kubernetes.Interface) error {
		_, err := k.CoreV1().ConfigMaps(target).Patch(ctx, name, types.MergePatchType, []byte(body), metav1.PatchOptions{DryRun: dryRun})
		return err
	}
}

func remove(name string, dryRun ...string) func(context.Context, kubernetes.Interface) error {
	return func(ctx context.Context, k kubernetes.Interface) error {
		return k.CoreV1().ConfigMaps(target).Delete(ctx, name, metav1.DeleteOptions{DryRun: dryRun})
	}
}

// TestPlansChangeNothing: the role of a plan has the verbs of the write, and
// the policy lets through dry runs alone.
func TestPlansChangeNothing(t *testing.T) {
	account := grant(t, planName)
	present(t, "web")
	plan := as(t, account)
	const refused = "a plan changes nothing"
	try(t, plan, map[string]attempt{
		"DryRunPatch":  {"that is what a plan is", change("web", `{"data":{"k":"w"}}`, metav1.DryRunAll), ""},
		"DryRunCreate": {"that is what a plan is", fresh("new", "", metav1.DryRunAll), ""},
		"DryRunDelete": {"that is what a plan is", remove("web", metav1.DryRunAll), ""},
	})
	// Its role holds now: what is refused is refused by the policy, once that
	// is in force.
	t.Cleanup(func() {
		if err := remove("early")(context.Background(), client); err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	})
	try(t, plan, map[string]attempt{"InForce": {"a policy that is new takes a moment", fresh("early", ""), refused}})
	try(t, plan, map[string]attempt{
		"Patch":       {"no approver has agreed yet", change("web", `{"data":{"k":"w"}}`), refused},
		"Create":      {"no approver has agreed yet", fresh("new", ""), refused},
		"Delete":      {"no approver has agreed yet", remove("web"), refused},
		"OtherDryRun": {"a dry run of what the role doesn't name is refused by the role", change("db", `{"data":{"k":"w"}}`, metav1.DryRunAll), "forbidden"},
	})
	try(t, as(t, account, allRights), map[string]attempt{
		"Token": {"not even with all rights", func(ctx context.Context, k kubernetes.Interface) error {
			_, err := k.CoreV1().ServiceAccounts("kube-system").CreateToken(ctx, "default", &authv1.TokenRequest{}, metav1.CreateOptions{})
			return err
		}, "denied"},
		"Eviction": {"a subresource changes things too", func(ctx context.Context, k kubernetes.Interface) error {
			return k.CoreV1().Pods("kube-system").Delete(ctx, firstPod(t).Name, metav1.DeleteOptions{})
		}, refused},
	})
	c, err := client.CoreV1().ConfigMaps(target).Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil || c.Data["k"] != "v" {
		t.Errorf("the object is %v (%v), want as it was", c.Data, err)
	}
}

// firstPod is some pod of the cluster's own.
func firstPod(t *testing.T) *corev1.Pod {
	t.Helper()
	pods, err := client.CoreV1().Pods("kube-system").List(t.Context(), metav1.ListOptions{})
	if err != nil || len(pods.Items) == 0 {
		t.Fatalf("%d pods: %v", len(pods.Items), err)
	}
	return &pods.Items[0]
}

// TestRunsChangeTheirObject: a run writes what it is about, signed with its
// id, and makes nothing else.
func TestRunsChangeTheirObject(t *testing.T) {
	account := grant(t, callName)
	present(t, "web")
	if _, err := as(t, workerAccount).CoordinationV1().Leases(target).Create(t.Context(), callLease(), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := as(t, workerAccount).CoordinationV1().Leases(target).Delete(context.Background(), callName, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	run := as(t, account)
	const signs = "a call writes its id into the annotation"
	signed := `{"metadata":{"annotations":{"sallyport.dev/call":"` + callID + `"}},"data":{"k":"w"}}`
	lease := func(body string) func(context.Context, kubernetes.Interface) error {
		return func(ctx context.Context, k kubernetes.Interface) error {
			_, err := k.CoordinationV1().Leases(target).Patch(ctx, callName, types.JSONPatchType, []byte(body), metav1.PatchOptions{})
			return err
		}
	}
	try(t, run, map[string]attempt{
		"Dry": {"its role holds", change("web", signed, metav1.DryRunAll), ""},
	})
	try(t, run, map[string]attempt{
		"Unsigned":     {"the audit log could not name the call that made the change", change("web", `{"data":{"k":"w"}}`), signs},
		"OtherCall":    {"another call would be blamed", change("web", `{"metadata":{"annotations":{"sallyport.dev/call":"other"}}}`), signs},
		"OtherObject":  {"the call is about web; a role can't say that of what is to be created", fresh("db", callID, metav1.DryRunAll), "a call makes the object that it is about"},
		"UnsignedNew":  {"the audit log could not name the call that made the object", fresh("db", "", metav1.DryRunAll), signs},
		"PatchOther":   {"the role names one", change("db", signed), "forbidden"},
		"DeleteOthers": {"the role names one", remove("db"), "forbidden"},
	})
	try(t, run, map[string]attempt{
		"Lease":  {"the executor acquires the run", lease(`[{"op":"test","path":"/spec/holderIdentity","value":""},{"op":"replace","path":"/spec/holderIdentity","value":"pod"}]`), ""},
		"Signed": {"what it is for", change("web", signed), ""},
		"Delete": {"manifests ask for it", remove("web", metav1.DryRunAll), ""},
	})
	if err := client.CoreV1().ConfigMaps(target).Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	try(t, run, map[string]attempt{"Create": {"the call is about web", fresh("web", callID, metav1.DryRunAll), ""}})
	never(t, as(t, account, allRights))
}

// never is what no call does, whatever its rights.
func never(t *testing.T, k kubernetes.Interface) {
	t.Helper()
	const refused = "no call makes pods"
	try(t, k, map[string]attempt{
		"Elsewhere": {"tools may not act in that namespace", func(ctx context.Context, k kubernetes.Interface) error {
			c := settings("web", callID)
			c.Namespace = "default"
			_, err := k.CoreV1().ConfigMaps("default").Create(ctx, c, dry)
			return err
		}, "in the namespaces that tools may act in"},
		"Pod": {"it would have any account of the namespace", func(ctx context.Context, k kubernetes.Interface) error {
			p := pod("web", "print")
			p.Annotations = map[string]string{"sallyport.dev/call": callID}
			_, err := k.CoreV1().Pods(target).Create(ctx, p, dry)
			return err
		}, refused},
		"Secret": {"no agent writes secrets", func(ctx context.Context, k kubernetes.Interface) error {
			_, err := k.CoreV1().Secrets(target).Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
				Name: "web", Annotations: map[string]string{"sallyport.dev/call": callID},
			}}, dry)
			return err
		}, refused},
		"Token": {"the call would act with another account's permissions", func(ctx context.Context, k kubernetes.Interface) error {
			_, err := k.CoreV1().ServiceAccounts(target).CreateToken(ctx, "default", &authv1.TokenRequest{}, metav1.CreateOptions{})
			return err
		}, refused},
		"Role": {"it would have other rights", func(ctx context.Context, k kubernetes.Interface) error {
			r := callRole(callName)
			r.Annotations = map[string]string{"sallyport.dev/call": callID}
			r.Name = "more"
			_, err := k.RbacV1().Roles(target).Create(ctx, r, dry)
			return err
		}, refused},
	})
}

// TestExecutionNamespaceIsClosed: only the worker, and the controllers that act
// on its Jobs, create objects there. A cluster administrator can't.
func TestExecutionNamespaceIsClosed(t *testing.T) {
	deployed(t)
	j := callJob()
	j.Name = "agent-tool-call-zzzzzzzzzzzzzzzzzzzzzzzzzz"
	try(t, client, map[string]attempt{
		"Job": {"it would pass for a call's", func(ctx context.Context, k kubernetes.Interface) error {
			_, err := k.BatchV1().Jobs(executions).Create(ctx, j, dry)
			return err
		}, "only the worker makes Jobs"},
		"Pod": {"it would pass for a call's, and answer for it", func(ctx context.Context, k kubernetes.Interface) error {
			p := pod("mine", "print")
			p.Labels = j.Labels
			_, err := k.CoreV1().Pods(executions).Create(ctx, p, dry)
			return err
		}, "only Jobs of calls make pods"},
		"Token": {"it would be a call's account outside of its pod", func(ctx context.Context, k kubernetes.Interface) error {
			_, err := k.CoreV1().ServiceAccounts(executions).CreateToken(ctx, "default", &authv1.TokenRequest{}, metav1.CreateOptions{})
			return err
		}, "only nodes have tokens made"},
		"Debug": {"it would be inside of a call", func(ctx context.Context, k kubernetes.Interface) error {
			return k.CoreV1().RESTClient().Post().Namespace(executions).Resource("pods").Name("any").SubResource("exec").
				Param("command", "x").Param("stdout", "true").Do(ctx).Error()
		}, "into pods of this namespace are denied"},
	})
	worker := as(t, workerAccount)
	made, err := worker.BatchV1().Jobs(executions).Create(t.Context(), callJob(), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	account := callAccount(callName)
	if _, err := worker.CoreV1().ServiceAccounts(executions).Create(t.Context(), account, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the pod of a call's Job", func(ctx context.Context) (bool, error) {
		pods, err := client.CoreV1().Pods(executions).List(ctx, metav1.ListOptions{LabelSelector: "sallyport.dev/call=" + callID})
		return err == nil && len(pods.Items) == 1, err
	})
	pods, err := client.CoreV1().Pods(executions).List(t.Context(), metav1.ListOptions{LabelSelector: "sallyport.dev/call=" + callID})
	if err != nil {
		t.Fatal(err)
	}
	try(t, client, map[string]attempt{
		"ChangedPod": {"another program would run with the call's account", func(ctx context.Context, k kubernetes.Interface) error {
			patch := []byte(`{"spec":{"containers":[{"name":"tool","image":"registry.example.com/mine:1"}]}}`)
			_, err := k.CoreV1().Pods(executions).Patch(ctx, pods.Items[0].Name, types.StrategicMergePatchType, patch, dryPatch)
			return err
		}, "the spec of Jobs of calls"},
		"ChangedJob": {"it would run more than once", func(ctx context.Context, k kubernetes.Interface) error {
			_, err := k.BatchV1().Jobs(executions).Patch(ctx, made.Name, types.MergePatchType, []byte(`{"spec":{"backoffLimit":3}}`), dryPatch)
			return err
		}, "the spec of Jobs of calls"},
	})
	background := metav1.DeletePropagationBackground
	if err := worker.CoreV1().ServiceAccounts(executions).Delete(t.Context(), callName, metav1.DeleteOptions{}); err != nil {
		t.Error(err)
	}
	if err := as(t, workerAccount).BatchV1().Jobs(executions).Delete(t.Context(), made.Name, metav1.DeleteOptions{PropagationPolicy: &background}); err != nil {
		t.Error(err)
	}
	// The finalizer keeps it until the worker has recorded the outcome.
	if _, err := worker.BatchV1().Jobs(executions).Patch(t.Context(), made.Name, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
		t.Error(err)
	}
}

// TestOnlyTheWorkerGrants: an administrator of the target's namespace can neither
// create nor take over the Role, RoleBinding and Lease of a call.
func TestOnlyTheWorkerGrants(t *testing.T) {
	account := grant(t, callName)
	worker := as(t, workerAccount)
	if _, err := worker.CoordinationV1().Leases(target).Create(t.Context(), callLease(), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := worker.CoordinationV1().Leases(target).Delete(context.Background(), callName, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	held := func(by string) func(context.Context, kubernetes.Interface) error {
		return func(ctx context.Context, k kubernetes.Interface) error {
			_, err := k.CoordinationV1().Leases(target).Patch(ctx, callName, types.MergePatchType, []byte(`{"spec":{"holderIdentity":"`+by+`"}}`), dryPatch)
			return err
		}
	}
	const refused = "only the worker grants permissions to calls"
	other := "agent-tool-call-zzzzzzzzzzzzzzzzzzzzzzzzzz"
	try(t, client, map[string]attempt{
		"Held":  {"the call would seem never to have begun", held("sallyport-worker"), refused},
		"Freed": {"a second pod could begin", held(""), refused},
		"Lease": {"it would be held before the call is", func(ctx context.Context, k kubernetes.Interface) error {
			l := callLease()
			l.Name = other
			_, err := k.CoordinationV1().Leases(target).Create(ctx, l, dry)
			return err
		}, refused},
		"Role": {"the call would have permissions that its manifest does not ask for", func(ctx context.Context, k kubernetes.Interface) error {
			r := callRole(callName)
			r.Name = other
			_, err := k.RbacV1().Roles(target).Create(ctx, r, dry)
			return err
		}, refused},
		"MoreRules": {"the call could do more", func(ctx context.Context, k kubernetes.Interface) error {
			_, err := k.RbacV1().Roles(target).Patch(ctx, callName, types.MergePatchType, []byte(`{"rules":[]}`), dryPatch)
			return err
		}, refused},
		"Subjects": {"another account would have the call's permissions", func(ctx context.Context, k kubernetes.Interface) error {
			_, err := k.RbacV1().RoleBindings(target).Patch(ctx, callName, types.MergePatchType, []byte(`{"subjects":[]}`), dryPatch)
			return err
		}, refused},
	})
	if err := held("a-pod")(t.Context(), as(t, account)); err != nil {
		t.Errorf("the call itself can't take its Lease: %v", err)
	}
}
