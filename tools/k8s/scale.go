package k8s

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sallyport/sallyport"
)

// mostReplicas is the most that the manifest takes.
const mostReplicas = 1000

type scaleArguments struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Replicas  int64  `json:"replicas"`
}

func checkScale(c *call) error {
	var a scaleArguments
	if err := c.decode(&a); err != nil {
		return err
	}
	if a.Replicas < 0 || a.Replicas > mostReplicas {
		return failf(sallyport.CodeInvalidArguments, "replicas must be from 0 to %d, not %d", mostReplicas, a.Replicas)
	}
	return c.agrees(a.Namespace, a.Name)
}

// draftScale is k8s_scale_deployment.
func draftScale(_ context.Context, c *call, live *unstructured.Unstructured) (*draft, error) {
	var a scaleArguments
	if err := c.decode(&a); err != nil {
		return nil, err
	}
	if live == nil {
		return nil, notThere(deployments(), a.Namespace, a.Name)
	}
	before, ok, err := unstructured.NestedInt64(live.Object, "spec", "replicas")
	if !ok || err != nil {
		return nil, failf(sallyport.CodeNotApplicable, "the deployment %s has no number of replicas", a.Name)
	}
	summary, diff := fmt.Sprintf("replicas are already %d", before), ""
	var changes []sallyport.Change
	if before != a.Replicas {
		summary = fmt.Sprintf("replicas %d → %d", before, a.Replicas)
		diff = lineDiff(c.Intent, fmt.Sprintf("replicas: %d", before), fmt.Sprintf("replicas: %d", a.Replicas), "spec")
		changes = []sallyport.Change{{
			Path: "/spec/replicas", Before: json.RawMessage(fmt.Sprint(before)), After: json.RawMessage(fmt.Sprint(a.Replicas)),
		}}
	}
	p, err := newPlan(summary, diff, changes, map[string]any{"uid": live.GetUID(), "replicas": before})
	return &draft{plan: p, send: c.merge(deployments(), live, map[string]any{"replicas": a.Replicas})}, err
}
