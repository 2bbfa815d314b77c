package compat

import (
	"fmt"
	"go/ast"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestDocuments pins the members of every struct that has tags, wherever it is
// declared: each block is one document, with all that is nested in it.
func TestDocuments(t *testing.T) {
	for tag, p := range map[string]pinned{
		"json": {
			"documents_json.golden", "Every JSON document in the code: members in their order, with kind and options, a block each",
			"a body, an event, a stored value or a file that an earlier version wrote can't be read, or clients can't read ours",
		},
		"yaml": {
			"documents_yaml.golden", "Every YAML document in the code (configuration files, manifests, the identity table): keys with their kind, a block each",
			"a file that an operator wrote is refused",
		},
	} {
		t.Run(tag, func(t *testing.T) {
			d := documents{source: code(t), tag: tag, nested: map[*ast.StructType]bool{}}
			p.hold(t, d.blocks())
		})
	}
}

// documents renders structs by the tags of one encoding.
type documents struct {
	*source
	tag    string
	nested map[*ast.StructType]bool // within another
}

func (d *documents) blocks() []string {
	blocks := map[*ast.StructType]string{}
	each(d.source, func(f *goFile, n *ast.StructType) {
		tagged := slices.ContainsFunc(n.Fields.List, func(field *ast.Field) bool { _, ok := d.key(field); return ok })
		if tagged {
			blocks[n] = strings.Join(d.members(f, n, "", nil), "\n")
		}
	})
	var roots []string
	for n, block := range blocks {
		if !d.nested[n] {
			roots = append(roots, block)
		}
	}
	slices.Sort(roots)
	return strings.Split(strings.Join(slices.Compact(roots), "\n\n"), "\n")
}

// key is a field's tag for the encoding.
func (d *documents) key(field *ast.Field) (string, bool) {
	if field.Tag == nil {
		return "", false
	}
	text, _ := strconv.Unquote(field.Tag.Value)
	return reflect.StructTag(text).Lookup(d.tag)
}

// members lists a struct's members in their order, nested ones by their path.
// Within holds the structs around it.
func (d *documents) members(f *goFile, n *ast.StructType, path string, within []*ast.StructType) []string {
	if slices.Contains(within, n) {
		return []string{path + "… (as around it)"}
	}
	within = append(slices.Clip(within), n)
	var lines []string
	for _, field := range n.Fields.List {
		tag, _ := d.key(field)
		name, options, _ := strings.Cut(tag, ",")
		word, in := d.kind(f, field.Type)
		switch {
		case tag == "-":
		case name == "" && len(field.Names) == 0 && in.Expr != nil: // its members are ours
			lines = append(lines, d.within(in, path, within)...)
		case name == "" && len(field.Names) > 0 && !field.Names[0].IsExported():
		default:
			if name == "" {
				name = "(no name)"
			}
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s%s %s %s", path, name, word, options)))
			if in.Expr != nil {
				lines = append(lines, d.within(in, path+name+".", within)...)
			}
		}
	}
	return lines
}

func (d *documents) within(in expr, path string, around []*ast.StructType) []string {
	n := in.Expr.(*ast.StructType)
	d.nested[n] = true
	return d.members(in.file, n, path, around)
}

// kind is a type in words that name none of ours, and the struct that values
// of it hold.
func (d *documents) kind(f *goFile, e ast.Expr) (word string, in expr) {
	switch e := e.(type) {
	case *ast.StructType:
		return "object", expr{f, e}
	case *ast.StarExpr:
		word, in = d.kind(f, e.X)
		return "*" + word, in
	case *ast.ArrayType:
		word, in = d.kind(f, e.Elt)
		if word == "byte" {
			return "bytes", in
		}
		return "list of " + word, in
	case *ast.MapType:
		key, _ := d.kind(f, e.Key)
		word, in = d.kind(f, e.Value)
		return "map from " + key + " to " + word, in
	case *ast.InterfaceType:
		return "any", in
	}
	if name, ok := d.find(f, e); ok {
		if t, ok := d.types[name]; ok {
			return d.kind(t.file, t.spec.Type)
		}
	}
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name, in
	case *ast.SelectorExpr:
		name := fmt.Sprintf("%s.%s", e.X, e.Sel)
		if known, ok := foreign[name]; ok {
			return known, in
		}
		return name, in
	}
	return fmt.Sprintf("%T", e), in
}

// foreign are types of others in the words that TestRoots uses too.
var foreign = map[string]string{"time.Time": "time", "time.Duration": "duration", "json.RawMessage": "json", "jsontext.Value": "json"}
