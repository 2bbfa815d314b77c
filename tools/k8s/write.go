package k8s

import (
	"context"
	"encoding/json"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/tools/wire"
)

// drafter plans the call's change of the current object; live is nil if there is
// none. It changes nothing.
type drafter func(ctx context.Context, c *call, live *unstructured.Unstructured) (*draft, error)

// draft is a plan with the write that carries it out.
type draft struct {
	plan sallyport.Plan
	// send carries out the plan, unless the object was replaced or has changed.
	send func(context.Context) error
}

// nothing reports whether the object needs no change.
func (d draft) nothing() bool { return len(d.plan.Changes) == 0 }

// writer carries out one call of a tool that writes.
type writer struct {
	call     *call
	tool     tool
	resource schema.GroupVersionResource

	sent    *draft                     // the last one that was sent
	sentTo  *unstructured.Unstructured // the object before; nil if it did not exist
	unclear bool                       // the API server may still carry out the last write
}

func (c *call) writer(t tool) (*writer, error) {
	r, err := t.target(c)
	return &writer{call: c, tool: t, resource: r}, err
}

func (w *writer) live(ctx context.Context) (*unstructured.Unstructured, error) {
	i := w.call.Intent
	return w.call.cluster.get(ctx, w.resource, i.Namespace, i.Name)
}

// plan responds to ModePlan.
func (w *writer) plan(ctx context.Context) (wire.Response, error) {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		live, err := w.live(ctx)
		if err != nil {
			return wire.Response{}, err
		}
		d, err := w.tool.draft(ctx, w.call, live)
		switch {
		case err == nil:
			return wire.Response{Plan: &d.plan}, nil
		case codeOf(err) != sallyport.CodeMoved:
			return wire.Response{}, err
		}
		if !rested(ctx, pause) {
			return wire.Response{}, outOfTime(err)
		}
	}
}

// run responds to ModeRun. No write begins after the call has expired: another
// worker may then conclude that no pod works on it.
func (w *writer) run(ctx context.Context) (wire.Response, error) {
	if at := w.call.Expires; !at.IsZero() {
		if !time.Now().Before(at) {
			return wire.Response{}, failf(sallyport.CodeNotBegun, "the call's time to begin ended at %s", at.UTC().Format(time.RFC3339))
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, at)
		defer cancel()
	}
	if err := w.call.lease.acquire(ctx, w.call.cluster); err != nil {
		return wire.Response{}, err
	}
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		res, err := w.attempt(ctx)
		if err == nil && res.Result != nil {
			return res, nil
		}
		if err == nil && !rested(ctx, pause) {
			err = failf(sallyport.CodeUnreachable, "the call's time limit was too short for its write")
		}
		if err != nil {
			return w.failed(ctx, err), nil
		}
	}
}

// lastLook bounds the search of a run whose time is over for its own effect. Its
// pod has as long to end.
const lastLook = 2 * time.Second

// failed is the response of a run that can't go on. If a write may have been
// carried out, it reads the object once more, even if the time is over.
func (w *writer) failed(ctx context.Context, err error) wire.Response {
	if !w.unclear {
		return failure(err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastLook)
	defer cancel()
	live, lookErr := w.live(ctx)
	if lookErr == nil && w.shows(live) {
		if res, err := w.done(live); err == nil {
			return res
		}
	}
	res := failure(err)
	res.Unknown = lookErr != nil || sameVersion(live, w.sentTo) || overtaken(live, w.sentTo)
	return res
}

// attempt reads the object, plans and writes once. An empty response asks for
// another attempt.
func (w *writer) attempt(ctx context.Context) (res wire.Response, err error) {
	live, err := w.live(ctx)
	if err != nil {
		return res, err
	}
	if w.shows(live) {
		return w.done(live)
	}
	if w.unclear && overtaken(live, w.sentTo) {
		return res, failf(sallyport.CodeUnreachable, "the API server did not respond to the write, and the object was since changed by another call, replaced or deleted")
	}
	// If the object has another version now, the unclear write is void.
	w.unclear = w.unclear && sameVersion(live, w.sentTo)
	d, err := w.tool.draft(ctx, w.call, live)
	switch {
	case codeOf(err) == sallyport.CodeMoved:
		return res, nil
	case err != nil:
		return res, err
	case w.call.Plan != nil && w.call.Plan.Digest() != d.plan.Digest():
		return res, failf(sallyport.CodePreconditionFailed, "the effect would differ from the approved plan: %s", sallyport.Difference(w.call.Plan, d.plan))
	case d.nothing():
		w.sent = d
		return w.response(live, false)
	}
	w.sent, w.sentTo = d, live
	err = try(ctx, d.send)
	switch f := fateOf(err); {
	case f == fateDone:
		return w.response(live, true)
	case f == fateUnclear:
		w.unclear = true
	case apierrors.IsNotFound(err) && live != nil: // it was removed meanwhile
	case f == fateRefused:
		return res, explain(err)
	}
	return res, nil
}

// shows reports whether the object shows this call's effect.
func (w *writer) shows(live *unstructured.Unstructured) bool {
	if !w.tool.vanishes {
		return live != nil && isBy(live, w.call.Intent)
	}
	return w.unclear && (live == nil || live.GetUID() != w.sentTo.GetUID() || live.GetDeletionTimestamp() != nil)
}

func isBy(live *unstructured.Unstructured, i sallyport.Intent) bool {
	a := live.GetAnnotations()
	return a[wire.AnnotationCall] == i.CallID && a[wire.AnnotationIntent] == string(i.Digest()) && i.CallID != ""
}

// marks are the annotations by which the effect is found again.
func marks(i sallyport.Intent) map[string]any {
	return map[string]any{wire.AnnotationCall: i.CallID, wire.AnnotationIntent: string(i.Digest())}
}

// sameVersion reports whether an object is as it was.
func sameVersion(a, b *unstructured.Unstructured) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.GetUID() == b.GetUID() && a.GetResourceVersion() == b.GetResourceVersion()
}

// overtaken reports whether an object can no longer show the effect of a write to
// its earlier version: another call has left its mark since, or the object was
// deleted or replaced.
func overtaken(live, was *unstructured.Unstructured) bool {
	if was == nil {
		return live != nil && live.GetAnnotations()[wire.AnnotationCall] != ""
	}
	return live == nil || live.GetUID() != was.GetUID() ||
		live.GetAnnotations()[wire.AnnotationCall] != was.GetAnnotations()[wire.AnnotationCall]
}

// written is the result of a tool that writes.
type written struct {
	Namespace string             `json:"namespace"`
	Kind      string             `json:"kind"`
	Name      string             `json:"name"`
	UID       string             `json:"uid,omitempty"` // left out if this call created the object
	Changed   bool               `json:"changed"`
	Summary   string             `json:"summary"`
	Changes   []sallyport.Change `json:"changes"`
}

// done is the response for an effect that was found.
func (w *writer) done(live *unstructured.Unstructured) (wire.Response, error) {
	if w.sent == nil {
		w.sent = &draft{plan: sallyport.Plan{Summary: "the object shows that this call was carried out", Changes: []sallyport.Change{}}}
		if w.call.Plan != nil {
			w.sent.plan = *w.call.Plan
		}
	}
	if live == nil || w.tool.vanishes {
		live = w.sentTo
	}
	return w.response(live, true)
}

// response is the response of a run that has ended.
func (w *writer) response(live *unstructured.Unstructured, changed bool) (wire.Response, error) {
	i := w.call.Intent
	v := written{Namespace: i.Namespace, Kind: i.Resource, Name: i.Name, Changed: changed, Summary: w.sent.plan.Summary, Changes: w.sent.plan.Changes}
	if live != nil {
		v.UID = string(live.GetUID())
	}
	res, err := wire.Result(v)
	res.Reference = v.UID
	return res, err
}

// reconcile responds to ModeReconcile.
func (w *writer) reconcile(ctx context.Context) (wire.Response, error) {
	live, err := w.live(ctx)
	switch {
	case err != nil:
		return wire.Response{}, err
	case w.tool.vanishes:
		return wire.Response{}, failf(sallyport.CodeNotSeen, "a deleted object does not show which call deleted it; %s exists: %t", w.call.Intent.Name, live != nil)
	case live == nil:
		return wire.Response{}, failf(sallyport.CodeNotSeen, "%s does not exist", w.call.Intent.Name)
	case !isBy(live, w.call.Intent):
		return wire.Response{}, failf(sallyport.CodeNotSeen, "%s does not show that it was changed by this call", w.call.Intent.Name)
	}
	return w.done(live)
}

// newPlan makes a plan.
func newPlan(summary, diff string, changes []sallyport.Change, preconditions any) (sallyport.Plan, error) {
	conditions, err := strict.Canonical(preconditions)
	if changes == nil {
		changes = []sallyport.Change{}
	}
	return sallyport.Plan{Summary: sallyport.Visible(summary), Diff: diff, Changes: changes, Preconditions: conditions}, err
}

// merge changes members of an object by compare-and-swap, if it still is the
// version that was read, and leaves the call's marks on it.
func (c *call) merge(r schema.GroupVersionResource, live *unstructured.Unstructured, spec map[string]any) func(context.Context) error {
	return func(ctx context.Context) error {
		patch, err := json.Marshal(map[string]any{
			"metadata": map[string]any{
				"uid": live.GetUID(), "resourceVersion": live.GetResourceVersion(), "annotations": marks(c.Intent),
			},
			"spec": spec,
		})
		if err != nil {
			return err
		}
		_, err = c.cluster.objects.Resource(r).Namespace(c.Intent.Namespace).
			Patch(ctx, c.Intent.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
		return err
	}
}
