package builtin

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sallyport/sallyport"
)

// edit returns the file with one value of the object's document changed and
// every other byte as it was. The value is at a path of keys; want is
// its new value.
//
// The change is made in the text, by line and column, and then proved: the
// edited document must decode to the same values as the original but for this
// one.
func (o *object) edit(replace func(text string) (string, bool), path []any, want any) ([]byte, error) {
	unsupported := o.unsupported(path)
	text, ok := replace(o.text)
	if !ok {
		return nil, unsupported
	}
	var root yaml.Node
	var got map[string]any
	if err := parse(text, &root, &got); err != nil {
		return nil, unsupported
	}
	if !reflect.DeepEqual(got, with(o.decoded, path, want)) {
		return nil, unsupported
	}
	edited := string(o.file[:o.start]) + text + string(o.file[o.start+len(o.text):])
	return []byte(edited), nil
}

func (o *object) unsupported(path []any) error {
	return failf(sallyport.CodeUnsupportedLayout, "%s of %s %s can't be changed by editing its line; write it as a plain or quoted value on a line of its own",
		pointerOf(path), strings.ToLower(o.kind()), o.name())
}

// scalarReplacer replaces a scalar where it stands, in its own style.
func scalarReplacer(n *yaml.Node, value string) func(string) (string, bool) {
	return func(text string) (string, bool) {
		at, ok := offset(text, n.Line, n.Column)
		if !ok || n.Kind != yaml.ScalarNode {
			return "", false
		}
		quote := ""
		switch n.Style {
		case 0:
		case yaml.SingleQuotedStyle:
			quote = "'"
		case yaml.DoubleQuotedStyle:
			quote = `"`
		default:
			return "", false
		}
		old := quote + n.Value + quote
		if !strings.HasPrefix(text[at:], old) {
			return "", false
		}
		return text[:at] + quote + value + quote + text[at+len(old):], true
	}
}

// lineInserter adds a key as the first of a block mapping, right below the
// line of the mapping's own key.
func lineInserter(key, mapping *yaml.Node, line string) func(string) (string, bool) {
	return func(text string) (string, bool) {
		if mapping.Kind != yaml.MappingNode || mapping.Style&yaml.FlowStyle != 0 || len(mapping.Content) == 0 || mapping.Line <= key.Line {
			return "", false
		}
		at, ok := offset(text, key.Line+1, 1)
		if !ok {
			return "", false
		}
		end := "\n"
		if strings.HasSuffix(text[:at], "\r\n") {
			end = "\r\n"
		}
		return text[:at] + strings.Repeat(" ", mapping.Column-1) + line + end + text[at:], true
	}
}

// offset of a line and column, both from 1; a column counts characters.
func offset(text string, line, column int) (int, bool) {
	at := 0
	for range line - 1 {
		n := strings.IndexByte(text[at:], '\n')
		if n < 0 {
			return 0, false
		}
		at += n + 1
	}
	characters := 0
	for i, r := range text[at:] {
		if characters == column-1 {
			return at + i, true
		}
		if r == '\n' {
			return 0, false
		}
		characters++
	}
	return len(text), characters == column-1
}

// child is the value of a key of a mapping, and the key.
func child(n *yaml.Node, key string) (k, v *yaml.Node) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

// with is a deep copy of a document with one value set. A key that isn't
// there is added.
func with(v any, path []any, value any) any {
	if len(path) == 0 {
		return value
	}
	switch v := v.(type) {
	case map[string]any:
		key, _ := path[0].(string)
		c := maps.Clone(v)
		c[key] = with(v[key], path[1:], value)
		return c
	case []any:
		c := slices.Clone(v)
		if i, ok := path[0].(int); ok && i < len(v) {
			c[i] = with(v[i], path[1:], value)
		}
		return c
	default:
		return v
	}
}
