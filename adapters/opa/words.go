package opa

import (
	"github.com/open-policy-agent/opa/v1/ast"
)

// Says reports whether an operator wrote this word into the policy: as a name or a
// text of its data, or as a text in a rule. Other words are those of agents.
func (e *Engine) Says(word string) bool {
	p := e.current.Load()
	return p != nil && p.words[word]
}

// words are all texts of a policy.
func words(data any, modules map[string]*ast.Module) map[string]bool {
	said := map[string]bool{}
	var add func(v any)
	add = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, below := range v {
				said[name] = true
				add(below)
			}
		case []any:
			for _, below := range v {
				add(below)
			}
		case string:
			said[v] = true
		}
	}
	add(data)
	for _, m := range modules {
		ast.WalkTerms(m, func(t *ast.Term) bool {
			if s, ok := t.Value.(ast.String); ok {
				said[string(s)] = true
			}
			return false
		})
	}
	return said
}
