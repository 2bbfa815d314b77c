package k8s

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sallyport/sallyport"
)

// restartedAt is the annotation of a pod template that kubectl too restarts
// by: another template makes the deployment replace its pods.
const restartedAt = "kubectl.kubernetes.io/restartedAt"

// draftRestart is k8s_restart_deployment.
func draftRestart(_ context.Context, c *call, live *unstructured.Unstructured) (*draft, error) {
	name := c.Intent.Name
	if live == nil {
		return nil, notThere(deployments(), c.Intent.Namespace, name)
	}
	if paused, _, _ := unstructured.NestedBool(live.Object, "spec", "paused"); paused {
		return nil, failf(sallyport.CodeNotApplicable, "the deployment %s is paused, so that a restart would do nothing: resume it first", name)
	}
	var before any // null where it was never restarted
	line := ""
	annotations, _, _ := unstructured.NestedStringMap(live.Object, "spec", "template", "metadata", "annotations")
	if b, ok := annotations[restartedAt]; ok {
		before, line = b, fmt.Sprintf("%s: %q", restartedAt, b)
	}
	after := c.Intent.At.UTC().Format(time.RFC3339)
	var changes []sallyport.Change
	summary, diff := "the pods of "+name+" are already those of this restart", ""
	if before != after {
		was, err := json.Marshal(before)
		if err != nil {
			return nil, err
		}
		summary = "replaces the pods of " + name + ", as its strategy says"
		diff = lineDiff(c.Intent, line, fmt.Sprintf("%s: %q", restartedAt, after), "spec", "template", "metadata", "annotations")
		changes = []sallyport.Change{{
			Path:   "/spec/template/metadata/annotations/" + strings.ReplaceAll(restartedAt, "/", "~1"),
			Before: was, After: json.RawMessage(fmt.Sprintf("%q", after)),
		}}
	}
	p, err := newPlan(summary, diff, changes, map[string]any{"uid": live.GetUID(), "restarted_at": before})
	return &draft{plan: p, send: c.merge(deployments(), live, map[string]any{
		"template": map[string]any{"metadata": map[string]any{"annotations": map[string]any{restartedAt: after}}},
	})}, err
}
