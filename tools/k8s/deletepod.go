package k8s

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/tools/unidiff"
)

// doomed describes a pod for approvers before it is deleted.
type doomed struct {
	Name       string  `json:"name"`
	UID        string  `json:"uid"`
	Phase      string  `json:"phase"`
	Node       string  `json:"node"`
	Owner      string  `json:"owner"` // such as ReplicaSet/api-7d9f; "" for a pod that no controller would replace
	Containers []image `json:"containers"`
}

// draftDeletion is k8s_delete_pod. The pod's own grace period applies.
func draftDeletion(_ context.Context, c *call, live *unstructured.Unstructured) (*draft, error) {
	if live == nil {
		return nil, notThere(pods(), c.Intent.Namespace, c.Intent.Name)
	}
	conditions := map[string]any{"uid": live.GetUID()}
	if live.GetDeletionTimestamp() != nil {
		p, err := newPlan("the pod "+live.GetName()+" is being deleted already", "", nil, conditions)
		return &draft{plan: p}, err
	}
	d := doomed{
		Name: live.GetName(), UID: string(live.GetUID()),
		Phase: text(live.Object, "status", "phase"), Node: text(live.Object, "spec", "nodeName"), Containers: images(live.Object, "spec"),
	}
	for _, o := range live.GetOwnerReferences() {
		if o.Controller != nil && *o.Controller {
			d.Owner = o.Kind + "/" + o.Name
		}
	}
	owner := "no controller will replace it"
	if d.Owner != "" {
		owner = "owned by " + d.Owner
	}
	before, err := strict.Canonical(d)
	if err != nil {
		return nil, err
	}
	shown, err := indented(d)
	if err != nil {
		return nil, err
	}
	summary := fmt.Sprintf("deletes the pod %s (%s on node %q, %s)", d.Name, d.Phase, d.Node, owner)
	changes := []sallyport.Change{{Path: "", Before: before, After: []byte("null")}}
	p, err := newPlan(summary, unidiff.Unified(pathOf(c.Intent), shown, ""), changes, conditions)
	return &draft{plan: p, send: c.deletion(live)}, err
}

func (c *call) deletion(live *unstructured.Unstructured) func(context.Context) error {
	return func(ctx context.Context) error {
		return c.cluster.objects.Resource(pods()).Namespace(c.Intent.Namespace).
			Delete(ctx, c.Intent.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(live.GetUID()))})
	}
}
