//go:build e2e

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"

	"github.com/sallyport/sallyport/e2e/chart"
)

// Where the chart is installed, once for all tests.
const (
	gatewayNamespace = "sallyport"
	executions       = "agent-execution"
	target           = "staging"
	workerAccount    = "system:serviceaccount:" + gatewayNamespace + ":sallyport-worker"
	apiAccount       = "system:serviceaccount:" + gatewayNamespace + ":sallyport-api"
	executorImage    = "registry.example.com/sallyport/kubeexec@sha256:1111111111111111111111111111111111111111111111111111111111111111"
	toolImage        = "registry.example.com/tools/ping@sha256:2222222222222222222222222222222222222222222222222222222222222222"
)

// deployed installs the chart, with permissions as some manifests could have
// them, and waits until its policies are in force.
func deployed(t *testing.T) {
	t.Helper()
	if err := install(); err != nil {
		t.Fatal(err)
	}
}

var install = sync.OnceValue(func() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, name := range []string{gatewayNamespace, target, "production"} {
		n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if _, err := client.CoreV1().Namespaces().Create(ctx, n, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	files, err := chart.Render("../deploy/chart", gatewayNamespace, map[string]any{
		"images": map[string]any{"executor": executorImage},
		"permissions": map[string]any{
			"named": []any{
				"apps/deployments:get", "apps/deployments:patch",
				"/configmaps:get", "/configmaps:create", "/configmaps:patch", "/configmaps:delete",
			},
			"all":      []any{"/pods:list"},
			"images":   []any{toolImage},
			"networks": []any{map[string]any{"cidr": "198.51.100.0/24", "port": 5432}},
		},
	})
	if err != nil {
		return err
	}
	return errors.Join(createAll(ctx, files), inForce(ctx))
})

// createAll makes what the files say, the execution namespace first.
func createAll(ctx context.Context, files map[string]string) error {
	config, err := shared.Config()
	if err != nil {
		return err
	}
	groups, err := restmapper.GetAPIGroupResources(client.Discovery())
	if err != nil {
		return err
	}
	mapper := restmapper.NewDiscoveryRESTMapper(groups)
	anything, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	objects, err := decode(files)
	if err != nil {
		return err
	}
	for _, o := range objects {
		m, err := mapper.RESTMapping(o.GroupVersionKind().GroupKind(), o.GroupVersionKind().Version)
		if err != nil {
			return err
		}
		var to dynamic.ResourceInterface = anything.Resource(m.Resource)
		if o.GetNamespace() != "" {
			to = anything.Resource(m.Resource).Namespace(o.GetNamespace())
		}
		// Strict: otherwise the API server ignores unknown keys, and a misspelt policy protects nothing.
		if _, err := to.Create(ctx, o, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict}); err != nil {
			return fmt.Errorf("%s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
	return nil
}

func decode(files map[string]string) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	for name, text := range files {
		d := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), len(text))
		for {
			o := &unstructured.Unstructured{}
			err := d.Decode(&o.Object)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if len(o.Object) > 0 {
				objects = append(objects, o)
			}
		}
	}
	slices.SortStableFunc(objects, func(a, b *unstructured.Unstructured) int { return rank(a) - rank(b) })
	return objects, nil
}

func rank(o *unstructured.Unstructured) int {
	if o.GetKind() == "Namespace" {
		return 0
	}
	return 1
}

// inForce waits until the API server has checked the policies' expressions,
// and refuses by the one that is about everything the worker does.
func inForce(ctx context.Context) error {
	var faults []error
	if err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		list, err := client.AdmissionregistrationV1().ValidatingAdmissionPolicies().List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=sallyport"})
		if err != nil || len(list.Items) == 0 {
			return false, err
		}
		faults = nil
		for _, p := range list.Items {
			if p.Status.TypeChecking == nil {
				return false, nil
			}
			for _, w := range p.Status.TypeChecking.ExpressionWarnings {
				faults = append(faults, fmt.Errorf("%s: %s: %s", p.Name, w.FieldRef, w.Warning))
			}
		}
		return true, nil
	}); err != nil {
		return err
	}
	return errors.Join(faults...)
}

// as is a client of another account: with its own rights, or with all of them
// where it is to be shown what policies refuse even then.
func as(t *testing.T, account string, groups ...string) kubernetes.Interface {
	t.Helper()
	config, err := shared.Config()
	if err != nil {
		t.Fatal(err)
	}
	config = rest.CopyConfig(config)
	namespace := strings.Split(account, ":")[2]
	config.Impersonate = rest.ImpersonationConfig{UserName: account, Groups: append([]string{
		"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated",
	}, groups...)}
	config.QPS, config.Burst = 100, 200
	k, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// allRights is the group of those whom no role limits.
const allRights = "system:masters"

// attempt is something that an account tries.
type attempt struct {
	reason string
	do     func(context.Context, kubernetes.Interface) error
	want   string // of the refusal; empty where it is to be let through
}

// try makes attempts. Policies, roles and bindings take effect a moment after
// they are created, so it repeats an attempt until it ends as expected.
func try(t *testing.T, k kubernetes.Interface, attempts map[string]attempt) {
	t.Helper()
	for name, a := range attempts {
		t.Run(name, func(t *testing.T) {
			var last error
			err := wait.PollUntilContextTimeout(t.Context(), 200*time.Millisecond, 10*time.Second, true, func(ctx context.Context) (bool, error) {
				if err := a.do(ctx, k); err == nil || !strings.Contains(err.Error(), "context deadline") {
					last = err
				}
				if a.want == "" {
					return last == nil, nil
				}
				return last != nil && strings.Contains(last.Error(), a.want), nil
			})
			switch {
			case err == nil:
			case a.want == "":
				t.Errorf("it was refused: %v: %s", last, a.reason)
			default:
				t.Errorf("got %v, want a refusal with %q: %s", last, a.want, a.reason)
			}
		})
	}
}
