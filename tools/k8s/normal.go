package k8s

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/tools/wire"
)

// hidden and unchanged replace values in plans that agents must not learn: agents
// see plans, too.
const (
	hidden    = "(hidden)"
	unchanged = "(unchanged)"
)

// normal normalises an object: it removes the members that the cluster maintains,
// so that the result is the same for an object that has not changed.
func normal(u *unstructured.Unstructured) map[string]any {
	o := u.DeepCopy()
	delete(o.Object, "status")
	metadata, _ := o.Object["metadata"].(map[string]any)
	for _, member := range []string{"managedFields", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "selfLink", "uid"} {
		delete(metadata, member)
	}
	annotations := o.GetAnnotations()
	delete(annotations, wire.AnnotationCall)
	delete(annotations, wire.AnnotationIntent)
	if o.SetAnnotations(annotations); len(annotations) == 0 { // as if there had been none
		delete(metadata, "annotations")
	}
	return o.Object
}

// hide replaces values in both versions of an object before a plan shows them:
// present environment variables, present entries of a ConfigMap, and the copy
// of the object that kubectl keeps in an annotation.
func hide(was, is map[string]any) {
	for _, o := range []map[string]any{was, is} {
		if metadata, ok := o["metadata"].(map[string]any); ok {
			if annotations, ok := metadata["annotations"].(map[string]any); ok {
				delete(annotations, "kubectl.kubernetes.io/last-applied-configuration")
			}
		}
	}
	for _, member := range []string{"data", "binaryData"} {
		before, _ := was[member].(map[string]any)
		after, _ := is[member].(map[string]any)
		for key, value := range before {
			if before[key] = hidden; reflect.DeepEqual(value, after[key]) {
				before[key], after[key] = unchanged, unchanged
			}
		}
	}
	hideEnvironment(was, is)
}

// hideEnvironment hides the present values of environment variables; the agent
// stated the new ones itself.
func hideEnvironment(was, is map[string]any) {
	there := map[string]bool{}
	for _, v := range environment(was) {
		if value, stated := v.variable["value"]; stated {
			there[fmt.Sprintf("%s=%v", v.at, value)] = true
			v.variable["value"] = hidden
		}
	}
	for _, v := range environment(is) {
		if there[fmt.Sprintf("%s=%v", v.at, v.variable["value"])] {
			v.variable["value"] = hidden
		}
	}
}

// placed is a variable of a container, and where it stands.
type placed struct {
	at       string
	variable map[string]any
}

// environment finds the variables of all containers of a pod template.
func environment(o map[string]any) []placed {
	var found []placed
	for _, kind := range []string{"initContainers", "containers"} {
		for _, container := range list(o, "spec", "template", "spec", kind) {
			for _, v := range list(container, "env") {
				found = append(found, placed{at: kind + "/" + text(container, "name") + "/" + text(v, "name"), variable: v})
			}
		}
	}
	return found
}

// changesOf lists the differences, member by member. A list is one value unless
// it is as long as it was.
func changesOf(was, is any) ([]sallyport.Change, error) {
	d := &differ{}
	d.compare("", was, is)
	return d.changes, d.err
}

type differ struct {
	changes []sallyport.Change
	err     error
}

func (d *differ) compare(path string, was, is any) {
	if reflect.DeepEqual(was, is) {
		return
	}
	switch w := was.(type) {
	case map[string]any:
		if i, ok := is.(map[string]any); ok {
			d.compareMembers(path, w, i)
			return
		}
	case []any:
		if i, ok := is.([]any); ok && len(i) == len(w) {
			for n := range w {
				d.compare(fmt.Sprintf("%s/%d", path, n), w[n], i[n])
			}
			return
		}
	}
	before, err := strict.Canonical(was)
	d.fail(err)
	after, err := strict.Canonical(is)
	d.fail(err)
	d.changes = append(d.changes, sallyport.Change{Path: path, Before: before, After: after})
}

func (d *differ) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

func (d *differ) compareMembers(path string, was, is map[string]any) {
	names := maps.Clone(was)
	maps.Copy(names, is)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		d.compare(path+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(name), was[name], is[name])
	}
}

// summaryOf names up to three of the places that change.
func summaryOf(name string, changes []sallyport.Change) string {
	const most = 3
	var places []string
	for _, c := range changes[:min(len(changes), most)] {
		places = append(places, c.Path)
	}
	if more := len(changes) - most; more > 0 {
		places = append(places, fmt.Sprintf("and %d more", more))
	}
	return "changes the " + name + ": " + strings.Join(places, ", ")
}

// indented is JSON for people, one value per line.
func indented(v any) (string, error) {
	b, err := strict.Canonical(v)
	if err != nil {
		return "", err
	}
	b, err = json.MarshalIndent(json.RawMessage(b), "", "  ")
	return string(b) + "\n", err
}
