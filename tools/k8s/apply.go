package k8s

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/tools/unidiff"
	"github.com/sallyport/sallyport/tools/wire"
)

// appliedKind is a kind that k8s_apply_manifest applies.
type appliedKind struct {
	apiVersion string
	resource   string
	runsPods   bool // it has a pod template at /spec/template
}

// appliedKinds include no Secrets, no RBAC, and no kinds that decide about other
// objects.
func appliedKinds() map[string]appliedKind {
	return map[string]appliedKind{
		"ConfigMap":               {apiVersion: "v1", resource: "configmaps"},
		"DaemonSet":               {apiVersion: "apps/v1", resource: "daemonsets", runsPods: true},
		"Deployment":              {apiVersion: "apps/v1", resource: "deployments", runsPods: true},
		"HorizontalPodAutoscaler": {apiVersion: "autoscaling/v2", resource: "horizontalpodautoscalers"},
		"Ingress":                 {apiVersion: "networking.k8s.io/v1", resource: "ingresses"},
		"PodDisruptionBudget":     {apiVersion: "policy/v1", resource: "poddisruptionbudgets"},
		"Service":                 {apiVersion: "v1", resource: "services"},
		"StatefulSet":             {apiVersion: "apps/v1", resource: "statefulsets", runsPods: true},
	}
}

// Kinds that k8s_apply_manifest takes, with their API versions.
func Kinds() map[string]string {
	all := map[string]string{}
	for kind, k := range appliedKinds() {
		all[kind] = k.apiVersion
	}
	return all
}

func (k appliedKind) gvr() schema.GroupVersionResource {
	gv, _ := schema.ParseGroupVersion(k.apiVersion) // always nil for the constants above
	return gv.WithResource(k.resource)
}

type applyArguments struct {
	Namespace string          `json:"namespace"`
	Manifest  json.RawMessage `json:"manifest"`
}

// manifest parses the object to apply.
func (c *call) manifest() (*unstructured.Unstructured, appliedKind, error) {
	var a applyArguments
	if err := c.decode(&a); err != nil {
		return nil, appliedKind{}, err
	}
	m := map[string]any{}
	if err := utiljson.Unmarshal(a.Manifest, &m); err != nil || m == nil {
		return nil, appliedKind{}, failf(sallyport.CodeInvalidArguments, "the manifest must be one object")
	}
	u := &unstructured.Unstructured{Object: m}
	k, ok := appliedKinds()[u.GetKind()]
	if !ok || u.GetAPIVersion() != k.apiVersion {
		return nil, appliedKind{}, failf(sallyport.CodeNotApplicable, "the tool does not apply kind %.64q of apiVersion %.64q; want one of %s, in its stable version",
			u.GetKind(), u.GetAPIVersion(), strings.Join(slices.Sorted(maps.Keys(appliedKinds())), ", "))
	}
	if u.GetKind() != c.Intent.Resource || a.Namespace != c.Intent.Namespace {
		return nil, appliedKind{}, failf(sallyport.CodeInvalidArguments, "the arguments name another object than the intent")
	}
	return u, k, c.agrees(a.Namespace, u.GetName())
}

// checkApply makes the checks that need no request to the cluster.
func checkApply(c *call) error {
	u, k, err := c.manifest()
	if err != nil {
		return err
	}
	if err := checkMembers(u, c.Intent.Namespace); err != nil {
		return err
	}
	if k.runsPods {
		return checkTemplate(u.Object)
	}
	return nil
}

// checkMembers refuses members that would change more than the object itself.
func checkMembers(u *unstructured.Unstructured, namespace string) error {
	for member := range u.Object {
		if !slices.Contains([]string{"apiVersion", "kind", "metadata", "spec", "data", "binaryData", "immutable"}, member) {
			return failf(sallyport.CodeNotApplicable, "remove the member %.64q from the manifest: the cluster sets it", member)
		}
	}
	metadata, _ := u.Object["metadata"].(map[string]any)
	for member := range metadata {
		if !slices.Contains([]string{"name", "namespace", "labels", "annotations"}, member) {
			return failf(sallyport.CodeNotApplicable, "remove metadata.%.64s from the manifest; want only name, namespace, labels and annotations", member)
		}
	}
	if ns, stated := metadata["namespace"]; stated && ns != namespace {
		return failf(sallyport.CodeNotApplicable, "metadata.namespace differs from the namespace of the call; leave it out")
	}
	template, _, _ := unstructured.NestedMap(u.Object, "spec", "template", "metadata")
	if err := checkMarks(template); err != nil {
		return err
	}
	return checkMarks(metadata)
}

// checkMarks refuses labels and annotations that look like the gateway's own.
func checkMarks(metadata map[string]any) error {
	for _, member := range []string{"labels", "annotations"} {
		values, _ := metadata[member].(map[string]any)
		for key := range values {
			if prefix, _, _ := strings.Cut(key, "/"); prefix == marksPrefix || strings.HasSuffix(prefix, "."+marksPrefix) {
				return failf(sallyport.CodeNotApplicable, "remove %.64[2]q from metadata.%[1]s: only the gateway sets it", member, key)
			}
		}
	}
	return nil
}

// marksPrefix is the prefix of the gateway's own annotations and labels.
const marksPrefix = "sallyport.dev"

func appliedResource(c *call) (schema.GroupVersionResource, error) {
	_, k, err := c.manifest()
	return k.gvr(), err
}

// draftApply is k8s_apply_manifest: server-side apply, which does not change
// fields of other field managers.
func draftApply(ctx context.Context, c *call, live *unstructured.Unstructured) (*draft, error) {
	u, k, err := c.manifest()
	if err != nil {
		return nil, err
	}
	u.SetNamespace(c.Intent.Namespace)
	pin(u, live)
	a := &application{call: c, kind: k, manifest: u}
	merged, err := a.try(ctx)
	if err != nil {
		return nil, err
	}
	d := &draft{send: a.send}
	if live == nil {
		d.plan, err = a.planCreation()
		return d, err
	}
	if k.runsPods {
		if err := checkMerged(live.Object, merged.Object); err != nil {
			return nil, err
		}
	}
	d.plan, err = a.planChange(live, merged)
	return d, err
}

// pin binds a manifest to the version that was read. Without an object it names a
// version that no object ever has, so that apply does not change an object that
// was created meanwhile.
func pin(u, live *unstructured.Unstructured) {
	if live == nil {
		u.SetResourceVersion("1")
		return
	}
	u.SetUID(live.GetUID())
	u.SetResourceVersion(live.GetResourceVersion())
}

// application is the application of one manifest.
type application struct {
	call     *call
	kind     appliedKind
	manifest *unstructured.Unstructured // bound to a version
}

// try asks the API server for the result of the change, as a dry run.
func (a *application) try(ctx context.Context) (merged *unstructured.Unstructured, err error) {
	moved := false
	err = ask(ctx, func(ctx context.Context) (err error) {
		merged, err = a.patch(ctx, a.manifest, metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
		if moved = fateOf(err) == fateMoved; moved {
			return nil
		}
		return err
	})
	if moved {
		return nil, failf(sallyport.CodeMoved, "the object changed while the plan was made")
	}
	return merged, err
}

// send applies the manifest with the call's marks. It forces only the marks of an
// earlier call, and only on the version that was read.
func (a *application) send(ctx context.Context) error {
	marked := a.manifest.DeepCopy()
	annotations := marked.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	for k, v := range marks(a.call.Intent) {
		annotations[k], _ = v.(string)
	}
	marked.SetAnnotations(annotations)
	_, err := a.patch(ctx, marked, metav1.PatchOptions{})
	if onlyMarks(ownedFields(err)) && marked.GetUID() != "" {
		_, err = a.patch(ctx, marked, metav1.PatchOptions{Force: new(true)})
	}
	return err
}

// onlyMarks reports whether all of the fields are the gateway's own annotations.
func onlyMarks(fields []string) bool {
	for _, f := range fields {
		if f != ".metadata.annotations."+wire.AnnotationCall && f != ".metadata.annotations."+wire.AnnotationIntent {
			return false
		}
	}
	return len(fields) > 0
}

func (a *application) patch(ctx context.Context, u *unstructured.Unstructured, o metav1.PatchOptions) (*unstructured.Unstructured, error) {
	data, err := json.Marshal(u.Object)
	if err != nil {
		return nil, err
	}
	o.FieldManager, o.FieldValidation = fieldManager, metav1.FieldValidationStrict
	return a.call.cluster.objects.Resource(a.kind.gvr()).Namespace(u.GetNamespace()).Patch(ctx, u.GetName(), types.ApplyPatchType, data, o)
}

// planCreation shows the manifest without the members that the cluster adds: some
// of them differ at each try.
func (a *application) planCreation() (sallyport.Plan, error) {
	u, _, err := a.call.manifest()
	if err != nil {
		return sallyport.Plan{}, err
	}
	after, err := strict.Canonical(u.Object)
	if err != nil {
		return sallyport.Plan{}, err
	}
	shown, err := indented(u.Object)
	if err != nil {
		return sallyport.Plan{}, err
	}
	changes := []sallyport.Change{{Path: "", Before: []byte("null"), After: after}}
	return newPlan("creates the "+u.GetKind()+" "+u.GetName(), unidiff.Unified(pathOf(a.call.Intent), "", shown), changes, map[string]any{"absent": true})
}

// planChange shows the difference between the present and the future object. The
// digest covers the whole present object, including hidden values.
func (a *application) planChange(live, merged *unstructured.Unstructured) (sallyport.Plan, error) {
	was, is := normal(live), normal(merged)
	digest, err := strict.Canonical(was)
	if err != nil {
		return sallyport.Plan{}, err
	}
	conditions := map[string]any{"uid": live.GetUID(), "object": sallyport.NewDigest("sallyport/kubernetes-object/v1", digest)}
	name := a.manifest.GetKind() + " " + a.manifest.GetName()
	if after, err := strict.Canonical(is); err != nil || bytes.Equal(digest, after) {
		p, perr := newPlan("the "+name+" is already as the manifest says", "", nil, conditions)
		return p, errors.Join(err, perr)
	}
	hide(was, is)
	changes, err := changesOf(was, is)
	if err != nil {
		return sallyport.Plan{}, err
	}
	before, err := indented(was)
	if err != nil {
		return sallyport.Plan{}, err
	}
	after, err := indented(is)
	if err != nil {
		return sallyport.Plan{}, err
	}
	return newPlan(summaryOf(name, changes), unidiff.Unified(pathOf(a.call.Intent), before, after), changes, conditions)
}
