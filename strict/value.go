package strict

import (
	"fmt"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Value is the document as JSON has it and as OPA's loader reads it: dates stay
// the text that the file has, and keys are text. So the gateway sees what a
// policy's own tests see.
func (f *Faults) Value() (any, error) {
	keepDates(f.root, map[*yaml.Node]bool{})
	var v any
	if err := f.root.Decode(&v); err != nil {
		return nil, located(f.name, err)
	}
	v, err := plain(v)
	if err != nil {
		return nil, fmt.Errorf("%s:%d: %w", f.name, f.Line(), err)
	}
	return v, nil
}

// keepDates makes text of dates. The YAML library reads 2026-12-24 as
// midnight, which equals no date that a rule or a schema spells.
func keepDates(n *yaml.Node, seen map[*yaml.Node]bool) {
	if n == nil || seen[n] {
		return
	}
	seen[n] = true
	if n.Kind == yaml.ScalarNode && n.Tag == "!!timestamp" && n.Style == 0 {
		n.Tag = "!!str"
	}
	keepDates(n.Alias, seen)
	for _, child := range n.Content {
		keepDates(child, seen)
	}
}

// plain makes JSON's values of YAML's: keys that are no text become it.
func plain(v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			value, err := plain(value)
			if err != nil {
				return nil, err
			}
			v[key] = value
		}
	case map[any]any:
		return plainMap(v)
	case []any:
		for i, value := range v {
			value, err := plain(value)
			if err != nil {
				return nil, err
			}
			v[i] = value
		}
	}
	return v, nil
}

func plainMap(from map[any]any) (any, error) {
	to := make(map[string]any, len(from))
	for key, value := range from {
		name, err := keyText(key)
		if err != nil {
			return nil, err
		}
		if _, taken := to[name]; taken {
			return nil, fmt.Errorf("two keys are %q as text", name)
		}
		if to[name], err = plain(value); err != nil {
			return nil, err
		}
	}
	return to, nil
}

func keyText(key any) (string, error) {
	switch key := key.(type) {
	case string:
		return key, nil
	case bool, int, int64, uint64:
		return fmt.Sprint(key), nil
	case float64:
		return strconv.FormatFloat(key, 'g', -1, 32), nil
	default:
		return "", fmt.Errorf("a key must be text, a number, true or false, and %v is none", key)
	}
}
