package builtin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools/wire"
)

// object is the one Kubernetes object that a call is about, and where in its
// file it stands.
type object struct {
	path    string // of the file
	file    []byte // all of it
	start   int    // of the object's document within the file
	text    string // the document, as written
	root    *yaml.Node
	decoded map[string]any
}

// document is one of a file's YAML documents.
type document struct {
	start int
	text  string
}

// A line that begins with three dashes separates documents wherever it
// stands, even where a block scalar seems to go on (YAML 1.2, section 9.1.2).
var separator = regexp.MustCompile(`(?m)^---(?:[ \t\r]|$)`)

// kindName is how Kubernetes writes kinds. Letters that merely look like
// those, or fold to them, make no kind.
var kindName = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,62}$`)

// target finds the object that a request's intent names: of that kind and
// name, in the file <namespace>/<name>.yaml. A file with a Secret in it is
// refused as a whole, whatever was asked for.
func target(req wire.Request) (*object, error) {
	i := req.Intent
	path := i.Namespace + "/" + i.Name + ".yaml"
	file, ok := req.Files[path]
	if !ok {
		return nil, failf(sallyport.CodeNotFound, "there is no file %s", path)
	}
	if isSecret(i.Resource) {
		return nil, failf(sallyport.CodeWrongKind, "secrets are never read")
	}
	if !utf8.Valid(file) || bytes.HasPrefix(file, []byte("\ufeff")) {
		return nil, failf(sallyport.CodeBadManifest, "%s is not UTF-8 without a byte order mark", path)
	}
	var found []*object
	var other string
	for _, d := range split(file) {
		o, err := d.object(path, file)
		switch {
		case err != nil:
			return nil, err
		case o == nil: // nothing but comments
		case o.is(i.Resource, i.Name):
			found = append(found, o)
		case o.name() == i.Name:
			other = o.kind()
		}
	}
	switch {
	case len(found) == 1:
		return found[0], found[0].checkNamespace(req)
	case len(found) > 1:
		return nil, failf(sallyport.CodeBadManifest, "%s declares the %s %s %d times", path, i.Resource, i.Name, len(found))
	case other != "":
		return nil, failf(sallyport.CodeWrongKind, "%s in %s is of kind %s, not %s", i.Name, path, strings.ToLower(other), i.Resource)
	default:
		return nil, failf(sallyport.CodeNotFound, "%s declares no %s %s", path, i.Resource, i.Name)
	}
}

// checkNamespace refuses an object of another namespace than policy decided
// about: a file of staging whose object is applied to production. An object that
// names none gets it from the environment, as kustomizations do it.
func (o *object) checkNamespace(req wire.Request) error {
	metadata, _ := o.decoded["metadata"].(map[string]any)
	value := metadata["namespace"]
	allowed := req.Namespaces
	if len(allowed) == 0 {
		allowed = []string{req.Intent.Namespace}
	}
	if text, ok := value.(string); value == nil || ok && (text == "" || slices.Contains(allowed, text)) {
		return nil
	}
	return failf(sallyport.CodeOtherNamespace, "the %s %s in %s is of namespace %.80q, and objects of environment %s may be of %q: git.environments lists them",
		req.Intent.Resource, req.Intent.Name, o.path, fmt.Sprint(value), req.Intent.Namespace, allowed)
}

func split(file []byte) []document {
	text := string(file)
	var docs []document
	start := 0
	for _, at := range separator.FindAllStringIndex(text, -1) {
		if at[0] > start {
			docs = append(docs, document{start, text[start:at[0]]})
		}
		start = at[0]
	}
	return append(docs, document{start, text[start:]})
}

// object parses the document. It is nil where there is nothing in it.
func (d document) object(path string, file []byte) (*object, error) {
	o := &object{path: path, file: file, start: d.start, text: d.text, root: &yaml.Node{}}
	if err := parse(d.text, o.root, &o.decoded); err != nil {
		return nil, failf(sallyport.CodeBadManifest, "%s can't be read: %v", path, err)
	}
	if o.root.Kind == 0 || len(o.decoded) == 0 && o.root.Content[0].Tag == "!!null" {
		return nil, nil
	}
	if holdsSecret(o.decoded, true) {
		return nil, failf(sallyport.CodeWrongKind, "%s holds a Secret: no part of it is read or written", path)
	}
	if !kindName.MatchString(o.kind()) {
		return nil, failf(sallyport.CodeBadManifest, "%s has a document whose kind is not a word such as Deployment", path)
	}
	return o, nil
}

// parse reads one document twice: as nodes, which have positions, and as values,
// which fails for documents that two readers could read in two ways, such as ones
// with duplicate keys.
func parse(text string, root *yaml.Node, decoded *map[string]any) error {
	d := yaml.NewDecoder(strings.NewReader(text))
	if err := d.Decode(root); err != nil {
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
	if err := d.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return errors.New("there is something after the document's end")
	}
	return root.Decode(decoded)
}

func (o *object) kind() string {
	s, _ := o.decoded["kind"].(string)
	return s
}

func (o *object) name() string {
	metadata, _ := o.decoded["metadata"].(map[string]any)
	s, _ := metadata["name"].(string)
	return s
}

func (o *object) is(resource, name string) bool {
	return strings.ToLower(o.kind()) == resource && o.name() == name
}

func isSecret(kind string) bool {
	k := strings.ToLower(strings.TrimSpace(kind))
	return k == "secret" || k == "secrets" || k == "secretlist"
}

// holdsSecret looks for a Secret anywhere in a document: on top, in a List,
// in a template.
func holdsSecret(v any, top bool) bool {
	switch v := v.(type) {
	case map[string]any:
		if declaresSecret(v, top) {
			return true
		}
		for _, inner := range v {
			if holdsSecret(inner, false) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(inner any) bool { return holdsSecret(inner, false) })
	}
	return false
}

// declaresSecret reports whether an object is a Secret. Below the top a mere
// reference to one, which has a kind and a name but no data, is none.
func declaresSecret(object map[string]any, top bool) bool {
	kind, ok := object["kind"].(string)
	return ok && isSecret(kind) && (top || object["data"] != nil || object["stringData"] != nil || object["items"] != nil)
}
