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
	stated, _ := u.Object["metadata"].(map[string]any)
	if ns, ok := stated["namespace"]; ok && ns != c.Intent.Namespace {
		return failf(sallyport.CodeNotApplicable, "metadata.namespace differs from the namespace of the call; leave it out")
	}
	return k.members(metadata(c.Annotations).check).check("", u.Object)
}

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
	if c.Mode == wire.ModeRun { // also for its dry run: admission sees what it will see
		mark(u, c.Intent)
	}
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
	if k.template {
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

// mark adds the call's marks to a manifest.
func mark(u *unstructured.Unstructured, i sallyport.Intent) {
	annotations := u.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	for k, v := range marks(i) {
		annotations[k], _ = v.(string)
	}
	u.SetAnnotations(annotations)
}

// application is the application of one manifest.
type application struct {
	call     *call
	kind     appliedKind
	manifest *unstructured.Unstructured // bound to a version; for a run, with the call's marks
}

// try asks the API server for the result of the change, as a dry run.
func (a *application) try(ctx context.Context) (merged *unstructured.Unstructured, err error) {
	moved := false
	err = ask(ctx, func(ctx context.Context) (err error) {
		merged, err = a.apply(ctx, metav1.DryRunAll)
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

// send carries out the change.
func (a *application) send(ctx context.Context) error {
	_, err := a.apply(ctx)
	return err
}

// apply applies the manifest. It forces only the marks of an earlier call, and
// only on the version that was read.
func (a *application) apply(ctx context.Context, dryRun ...string) (*unstructured.Unstructured, error) {
	o := metav1.PatchOptions{DryRun: dryRun, FieldManager: fieldManager, FieldValidation: metav1.FieldValidationStrict}
	merged, err := a.patch(ctx, o)
	if onlyMarks(ownedFields(err)) && a.manifest.GetUID() != "" {
		o.Force = new(true)
		merged, err = a.patch(ctx, o)
	}
	return merged, err
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

func (a *application) patch(ctx context.Context, o metav1.PatchOptions) (*unstructured.Unstructured, error) {
	u := a.manifest
	data, err := json.Marshal(u.Object)
	if err != nil {
		return nil, err
	}
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
