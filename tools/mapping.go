package tools

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/strict"
)

var (
	literal      = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$`)
	argumentName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}(\.[a-zA-Z][a-zA-Z0-9_]{0,63}){0,3}$`)
)

// source is where one word of an intent comes from.
type source struct {
	argument string // "" for a literal; a member of an object after a dot
	literal  string // or the default of an optional argument
	optional bool
}

// newSource parses a mapping's value; ok is false for an invalid one.
func newSource(value string) (s source, ok bool) {
	name, found := strings.CutPrefix(value, "$.")
	if !found {
		return source{literal: value}, literal.MatchString(value)
	}
	s.argument, s.literal, s.optional = strings.Cut(name, "|")
	return s, argumentName.MatchString(s.argument) && (!s.optional || literal.MatchString(s.literal))
}

// value is the word for checked arguments.
func (s source) value(arguments map[string]any) string {
	if s.argument == "" {
		return s.literal
	}
	var v any = arguments
	for part := range strings.SplitSeq(s.argument, ".") {
		object, _ := v.(map[string]any)
		v = object[part]
	}
	if v, ok := v.(string); ok {
		return v
	}
	return s.literal
}

// check refuses a mapping if arguments that fit the schema could leave it empty,
// or fill it with an invalid name.
func (m Mapping) check(f *strict.Faults, e *entry) {
	for _, word := range []struct {
		key, value string
		mayBeEmpty bool
	}{
		{"action", m.Action, false},
		{"resource", m.Resource, false},
		{"namespace", m.Namespace, true},
		{"name", m.Name, true},
	} {
		if word.value == "" && word.mayBeEmpty {
			continue
		}
		at := []string{"mapping", word.key}
		s, ok := newSource(word.value)
		if !ok {
			f.Add(at, "mapping.%s is %q and must be a literal of a-z, 0-9, ., _ and -, or $.argument, or $.argument|default", word.key, word.value)
			continue
		}
		if s.argument != "" {
			if reason := e.unmappable(s); reason != "" {
				f.Add(at, "mapping.%s: the argument %s %s", word.key, s.argument, reason)
			}
		}
	}
}

// unmappable says why an argument can't be mapped, or "".
func (e *entry) unmappable(s source) string {
	schema, _ := e.manifest.InputSchema.(map[string]any)
	compiled := e.schema
	isRequired := true
	for part := range strings.SplitSeq(s.argument, ".") {
		if schema["type"] != "object" {
			return "is a member of what does not say type: object in its own schema"
		}
		properties, _ := schema["properties"].(map[string]any)
		required, _ := schema["required"].([]any)
		isRequired = isRequired && slices.Contains(required, any(part))
		var ok bool
		if schema, ok = properties[part].(map[string]any); !ok {
			return "is not among the properties of input_schema"
		}
		compiled = compiled.Properties[part]
	}
	switch {
	case schema["type"] != "string":
		return "must say type: string in its own schema"
	case !restricted(schema):
		return "must be restricted by an enum, a const, or a pattern that is anchored at both ends (^…$)"
	case !isRequired && !s.optional:
		return "is optional: list it as required, or map it with a default ($.argument|default)"
	case isRequired && s.optional:
		return "is required: its default would never be used"
	case s.optional && compiled.Validate(s.literal) != nil:
		return "has a default that its own schema refuses"
	default:
		return ""
	}
}

// restricted reports whether the property's schema restricts its strings.
func restricted(property map[string]any) bool {
	if property["enum"] != nil || property["const"] != nil {
		return true
	}
	pattern, ok := property["pattern"].(string)
	if !ok {
		return false
	}
	re, err := syntax.Parse(pattern, syntax.Perl)
	return err == nil && re.Op == syntax.OpConcat &&
		re.Sub[0].Op == syntax.OpBeginText && re.Sub[len(re.Sub)-1].Op == syntax.OpEndText
}

// Says reports whether a tool's manifest spells a word out that its calls can
// name: as a literal or a default of its mapping, or as a value that its schema
// lists.
func (c *Catalogue) Says(tool, word string) bool {
	e, ok := c.entries[tool]
	if !ok || word == "" {
		return false
	}
	m := e.manifest.Mapping
	for _, value := range []string{m.Action, m.Resource, m.Namespace, m.Name} {
		if s, ok := newSource(value); ok && s.literal == word {
			return true
		}
	}
	return lists(e.manifest.InputSchema, word)
}

// lists reports whether a schema has a word in an enum or as a const.
func lists(schema any, word string) bool {
	switch schema := schema.(type) {
	case map[string]any:
		values, _ := schema["enum"].([]any)
		if schema["const"] == any(word) || slices.Contains(values, any(word)) {
			return true
		}
		for _, below := range schema {
			if lists(below, word) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(schema, func(below any) bool { return lists(below, word) })
	}
	return false
}
