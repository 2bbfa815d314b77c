package strict

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Faults collects the faults of a YAML document beyond its types, each
// fault with its line, so that one attempt shows an operator all of them.
type Faults struct {
	name string
	root *yaml.Node
	list []lineFault
}

type lineFault struct {
	line int
	text string
}

// Document reads one YAML document into v, as [YAML] does, and returns an empty
// collector that knows the lines of its keys.
func Document(name string, data []byte, v any) (*Faults, error) {
	if err := YAML(name, data, v); err != nil {
		return nil, err
	}
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return nil, located(name, err)
	}
	return &Faults{name: name, root: &root}, nil
}

// Add adds a fault of what a path of keys leads to. The path names an item of
// a list by its index, such as "0".
func (f *Faults) Add(path []string, format string, args ...any) {
	f.list = append(f.list, lineFault{line: f.Line(path...), text: fmt.Sprintf(format, args...)})
}

// AddKey adds a fault of a dotted key, such as ledger.path. The text of the
// fault begins with the key.
func (f *Faults) AddKey(key, format string, args ...any) {
	f.Add(strings.Split(key, "."), "%s %s", key, fmt.Sprintf(format, args...))
}

// Len is the number of faults.
func (f *Faults) Len() int { return len(f.list) }

// Err is nil where there are no faults. Otherwise its text has a line
// "name:line: fault" for each, in the order of the document.
func (f *Faults) Err() error {
	if len(f.list) == 0 {
		return nil
	}
	sorted := slices.SortedStableFunc(slices.Values(f.list), func(a, b lineFault) int { return cmp.Compare(a.line, b.line) })
	texts := make([]string, len(sorted))
	for i, one := range sorted {
		texts[i] = fmt.Sprintf("%s:%d: %s", f.name, one.line, one.text)
	}
	return errors.New(strings.Join(texts, "\n"))
}

// Line is the line of the last key or item on a path that the document has.
func (f *Faults) Line(path ...string) int {
	n := content(f.root)
	line := n.Line
	for _, step := range path {
		at, next := child(n, step)
		if next == nil {
			break
		}
		n, line = content(next), at
	}
	return max(line, 1)
}

// child is the value of a key or the item of an index, and its line.
func child(n *yaml.Node, step string) (line int, value *yaml.Node) {
	if n.Kind == yaml.SequenceNode {
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i].Line, n.Content[i]
		}
		return 0, nil
	}
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == step {
			return n.Content[i].Line, n.Content[i+1]
		}
	}
	return 0, nil
}

// content is what a document or an alias stands for.
func content(n *yaml.Node) *yaml.Node {
	for {
		switch {
		case n.Kind == yaml.DocumentNode && len(n.Content) > 0:
			n = n.Content[0]
		case n.Kind == yaml.AliasNode && n.Alias != nil:
			n = n.Alias
		default:
			return n
		}
	}
}
