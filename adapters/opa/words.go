package opa

import (
	"maps"
	"slices"

	"github.com/sallyport/sallyport"
)

// Says reports whether an operator declared this word in the policy's data as what a
// call may name. Other words are those of agents, also where they stand elsewhere in
// policy: an agent reads the answer from the leaves of its calls, and must not find
// out by guesses what policy is about.
func (e *Engine) Says(kind sallyport.WordKind, word string) bool {
	p := e.current.Load()
	return p != nil && slices.Contains(p.words[kind], word)
}

// words are those that a policy's data declares, at the places where ours does:
// actions, resources, environments, and the grants of agents and groups.
func words(data map[string]any) map[sallyport.WordKind][]string {
	said := map[sallyport.WordKind][]string{
		sallyport.WordAction:    listed(data["actions"]),
		sallyport.WordResource:  listed(data["resources"]),
		sallyport.WordNamespace: listed(data["environments"]),
	}
	declare := func(holder any) {
		named, _ := holder.(map[string]any)
		said[sallyport.WordAction] = append(said[sallyport.WordAction], listed(named["actions"])...)
		said[sallyport.WordNamespace] = append(said[sallyport.WordNamespace], listed(named["namespaces"])...)
	}
	environments, _ := data["environments"].(map[string]any)
	for _, environment := range environments {
		declare(environment)
	}
	grants, _ := data["grants"].(map[string]any)
	for _, holders := range grants {
		of, _ := holders.(map[string]any)
		for _, list := range of {
			granted, _ := list.([]any)
			for _, grant := range granted {
				declare(grant)
			}
		}
	}
	for kind, list := range said {
		slices.Sort(list)
		said[kind] = slices.Compact(list)
	}
	return said
}

// listed are the names of an object, or the texts of a list.
func listed(v any) []string {
	switch v := v.(type) {
	case map[string]any:
		return slices.Collect(maps.Keys(v))
	case []any:
		var list []string
		for _, element := range v {
			if s, ok := element.(string); ok {
				list = append(list, s)
			}
		}
		return list
	default:
		return nil
	}
}
