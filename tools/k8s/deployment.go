package k8s

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools/unidiff"
)

func deployments() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
}

func isDeployment(*call) (schema.GroupVersionResource, error) { return deployments(), nil }

func pods() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "pods"}
}

func isPod(*call) (schema.GroupVersionResource, error) { return pods(), nil }

// text, whole and list are members of an object, or nothing where they are not
// there or of another type.
func text(o map[string]any, path ...string) string {
	s, _, _ := unstructured.NestedString(o, path...)
	return s
}

func whole(o map[string]any, path ...string) int64 {
	n, _, _ := unstructured.NestedInt64(o, path...)
	return n
}

func list(o map[string]any, path ...string) []map[string]any {
	v, _, _ := unstructured.NestedFieldNoCopy(o, path...)
	items, _ := v.([]any)
	var objects []map[string]any
	for _, item := range items {
		if m, ok := item.(map[string]any); ok {
			objects = append(objects, m)
		}
	}
	return objects
}

// lineDiff shows one line that becomes another below the keys that lead to it.
func lineDiff(i sallyport.Intent, before, after string, keys ...string) string {
	var head strings.Builder
	indent := ""
	for _, k := range keys {
		fmt.Fprintf(&head, "%s%s:\n", indent, k)
		indent += "  "
	}
	if before != "" {
		before = indent + before + "\n"
	}
	return unidiff.Unified(pathOf(i), head.String()+before, head.String()+indent+after+"\n")
}

// pathOf names an object as a diff does a file.
func pathOf(i sallyport.Intent) string {
	return i.Namespace + "/" + strings.ToLower(i.Resource) + "/" + i.Name
}
