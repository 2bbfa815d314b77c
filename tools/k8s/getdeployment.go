package k8s

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sallyport/sallyport"
)

// longestMessage bounds a message of the cluster, in characters.
const longestMessage = 500

// image is the image of one container.
type image struct {
	Container string `json:"container"`
	Image     string `json:"image"`
	Init      bool   `json:"init,omitempty"`
}

// images of a pod's spec, which stands at a path of an object.
func images(o map[string]any, path ...string) []image {
	found := []image{}
	for _, kind := range []string{"initContainers", "containers"} {
		for _, container := range list(o, append(slices.Clip(path), kind)...) {
			found = append(found, image{Container: text(container, "name"), Image: text(container, "image"), Init: kind == "initContainers"})
		}
	}
	return found
}

// condition is one of an object's status.
type condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Since   string `json:"since"` // RFC 3339
}

func conditions(o map[string]any) []condition {
	found := []condition{}
	for _, c := range list(o, "status", "conditions") {
		found = append(found, condition{
			Type: text(c, "type"), Status: text(c, "status"), Reason: text(c, "reason"),
			Message: cut(text(c, "message")), Since: text(c, "lastTransitionTime"),
		})
	}
	return found
}

// cut shortens untrusted text, and escapes invisible characters.
func cut(s string) string {
	return sallyport.Shorten(sallyport.Visible(s), longestMessage)
}

// replicas are those of a deployment.
type replicas struct {
	Desired     int64 `json:"desired"`
	Current     int64 `json:"current"`
	Updated     int64 `json:"updated"`
	Ready       int64 `json:"ready"`
	Available   int64 `json:"available"`
	Unavailable int64 `json:"unavailable"`
}

// deploymentStatus is the result of k8s_get_deployment. It holds nothing of
// the environment of containers, where too many keep passwords.
type deploymentStatus struct {
	Namespace   string      `json:"namespace"`
	Name        string      `json:"name"`
	UID         string      `json:"uid"`
	Created     string      `json:"created"`
	Generation  int64       `json:"generation"`
	Observed    int64       `json:"observed_generation"` // less than generation: the cluster has not looked at the last change yet
	Paused      bool        `json:"paused"`
	Strategy    string      `json:"strategy"`
	RestartedAt string      `json:"restarted_at,omitempty"`
	Replicas    replicas    `json:"replicas"`
	Images      []image     `json:"images"`
	Conditions  []condition `json:"conditions"`
}

// getDeployment is k8s_get_deployment.
func getDeployment(ctx context.Context, c *call) (any, error) {
	if err := checkNamed(c); err != nil {
		return nil, err
	}
	live, err := c.cluster.mustGet(ctx, deployments(), c.Intent.Namespace, c.Intent.Name)
	if err != nil {
		return nil, err
	}
	o := live.Object
	paused, _, _ := unstructured.NestedBool(o, "spec", "paused")
	annotations, _, _ := unstructured.NestedStringMap(o, "spec", "template", "metadata", "annotations")
	return deploymentStatus{
		Namespace: live.GetNamespace(), Name: live.GetName(), UID: string(live.GetUID()),
		Created:    text(o, "metadata", "creationTimestamp"),
		Generation: live.GetGeneration(), Observed: whole(o, "status", "observedGeneration"),
		Paused: paused, Strategy: text(o, "spec", "strategy", "type"), RestartedAt: cut(annotations[restartedAt]),
		Replicas: replicas{
			Desired: whole(o, "spec", "replicas"), Current: whole(o, "status", "replicas"), Updated: whole(o, "status", "updatedReplicas"),
			Ready: whole(o, "status", "readyReplicas"), Available: whole(o, "status", "availableReplicas"), Unavailable: whole(o, "status", "unavailableReplicas"),
		},
		Images: images(o, "spec", "template", "spec"), Conditions: conditions(o),
	}, nil
}
