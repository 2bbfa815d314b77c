package k8s

import (
	"context"
	"regexp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sallyport/sallyport"
)

// mostPods is how many pods a list shows.
const mostPods = 200

// selectorForm matches the selectors that the manifest accepts: name=value,
// name==value and name!=value, with commas between them.
var selectorForm = regexp.MustCompile(`^` + selectorTerm + `(,` + selectorTerm + `)*$`)

const selectorTerm = `([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?(=|==|!=)([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?`

type listArguments struct {
	Namespace string `json:"namespace"`
	Selector  string `json:"selector"`
}

// podLine describes a pod in a list. Times are points in time, not ages,
// so that the same pod always looks the same.
type podLine struct {
	Name        string    `json:"name"`
	Phase       string    `json:"phase"`
	Reason      string    `json:"reason,omitempty"` // of the pod itself, such as Evicted
	Ready       int       `json:"ready"`            // containers that are
	Containers  int       `json:"containers"`
	Restarts    int64     `json:"restarts"`
	Node        string    `json:"node"`
	Created     string    `json:"created"`
	Terminating bool      `json:"terminating,omitempty"`
	Waiting     []waiting `json:"waiting,omitempty"`
}

// waiting says why a container does not run.
type waiting struct {
	Container string `json:"container"`
	Reason    string `json:"reason"`
	Message   string `json:"message,omitempty"`
}

type podList struct {
	Namespace string    `json:"namespace"`
	Pods      []podLine `json:"pods"`
	Truncated bool      `json:"truncated"` // there are more
}

// listPods is k8s_list_pods.
func listPods(ctx context.Context, c *call) (any, error) {
	var a listArguments
	if err := c.decode(&a); err != nil {
		return nil, err
	}
	if a.Namespace != c.Intent.Namespace {
		return nil, failf(sallyport.CodeInvalidArguments, "the arguments name another namespace than the intent")
	}
	if a.Selector != "" && !selectorForm.MatchString(a.Selector) {
		return nil, failf(sallyport.CodeInvalidArguments, "the selector must be of name=value, name==value or name!=value, with commas between them")
	}
	var found *unstructured.UnstructuredList
	err := ask(ctx, func(ctx context.Context) (err error) {
		found, err = c.cluster.objects.Resource(pods()).Namespace(a.Namespace).
			List(ctx, metav1.ListOptions{LabelSelector: a.Selector, Limit: mostPods})
		return err
	})
	if err != nil {
		return nil, err
	}
	res := podList{Namespace: a.Namespace, Pods: []podLine{}, Truncated: found.GetContinue() != ""}
	for _, p := range found.Items {
		res.Pods = append(res.Pods, linePod(p))
	}
	return res, nil
}

func linePod(p unstructured.Unstructured) podLine {
	o := p.Object
	line := podLine{
		Name: p.GetName(), Phase: text(o, "status", "phase"), Reason: cut(text(o, "status", "reason")),
		Node: text(o, "spec", "nodeName"), Created: text(o, "metadata", "creationTimestamp"),
		Containers: len(list(o, "spec", "containers")), Terminating: p.GetDeletionTimestamp() != nil,
	}
	for _, kind := range []string{"initContainerStatuses", "containerStatuses"} {
		for _, s := range list(o, "status", kind) {
			line.Restarts += whole(s, "restartCount")
			if ready, _, _ := unstructured.NestedBool(s, "ready"); ready && kind == "containerStatuses" {
				line.Ready++
			}
			if reason := text(s, "state", "waiting", "reason"); reason != "" {
				line.Waiting = append(line.Waiting, waiting{Container: text(s, "name"), Reason: cut(reason), Message: cut(text(s, "state", "waiting", "message"))})
			}
		}
	}
	return line
}
