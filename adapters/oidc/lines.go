package oidc

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// faults collects what is wrong with a table, by line.
type faults struct {
	file string
	root *yaml.Node
	list []fault
}

type fault struct {
	line int
	text string
}

// add says what is wrong at a path of keys (string) and indices (int).
func (f *faults) add(path []any, format string, args ...any) {
	f.list = append(f.list, fault{line: lineOf(f.root, path), text: fmt.Sprintf(format, args...)})
}

// err is nil where nothing is wrong.
func (f *faults) err() error {
	if len(f.list) == 0 {
		return nil
	}
	slices.SortStableFunc(f.list, func(a, b fault) int { return cmp.Compare(a.line, b.line) })
	texts := make([]string, len(f.list))
	for i, one := range f.list {
		texts[i] = fmt.Sprintf("%s:%d: %s", f.file, one.line, one.text)
	}
	return errors.New(strings.Join(texts, "\n"))
}

// lineOf is the line of what a path leads to, or of the last thing on the way
// that is there.
func lineOf(n *yaml.Node, path []any) int {
	line := max(n.Line, 1)
	for _, step := range path {
		next := child(n, step)
		if next == nil {
			return line
		}
		n, line = next, next.Line
	}
	return line
}

func child(n *yaml.Node, step any) *yaml.Node {
	n = content(n)
	switch step := step.(type) {
	case int:
		if n.Kind == yaml.SequenceNode && step < len(n.Content) {
			return n.Content[step]
		}
	case string:
		if n.Kind != yaml.MappingNode {
			return nil
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == step {
				return n.Content[i+1]
			}
		}
	}
	return nil
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
