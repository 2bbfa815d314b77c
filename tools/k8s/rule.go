package k8s

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sallyport/sallyport"
)

// rule says what a value of a manifest may be. at is where it stands.
type rule func(at string, v any) error

// members are the rules of an object's members. Members that are not listed
// are refused, unless there is a rule for [others].
type members map[string]rule

// others stands for the members that are not listed.
const others = "*"

func (m members) check(at string, v any) error {
	o, ok := v.(map[string]any)
	if !ok {
		return failf(sallyport.CodeNotApplicable, "%s must be an object", at)
	}
	for _, name := range slices.Sorted(maps.Keys(o)) {
		below := strings.TrimPrefix(at+"."+name, ".")
		check, listed := m[name]
		if !listed {
			check = m[others]
		}
		if check == nil {
			return failf(sallyport.CodeNotApplicable, "remove %.200s from the manifest: the tool does not set it", below)
		}
		if o[name] == nil && listed {
			continue // as if it were not there
		}
		if err := check(below, o[name]); err != nil {
			return err
		}
	}
	return nil
}

// each is a rule for the items of a list.
func each(item rule) rule {
	return func(at string, v any) error {
		items, ok := v.([]any)
		if !ok {
			return failf(sallyport.CodeNotApplicable, "%s must be a list", at)
		}
		for n, i := range items {
			if err := item(fmt.Sprintf("%s[%d]", at, n), i); err != nil {
				return err
			}
		}
		return nil
	}
}

func anything(string, any) error { return nil }

// only takes these values, and refuses others with the code.
func only(code string, values ...any) rule {
	return func(at string, v any) error {
		if slices.Contains(values, v) {
			return nil
		}
		var texts []string
		for _, v := range values {
			texts = append(texts, fmt.Sprintf("%#v", v))
		}
		return failf(code, "%s is %.64s; want %s, or leave it out", at, fmt.Sprintf("%#v", v), strings.Join(texts, " or "))
	}
}

// never refuses a member with the code, for a reason.
func never(code, why string) rule {
	return func(at string, _ any) error { return failf(code, "remove %.200s from the manifest: %s", at, why) }
}

// plain are members that the manifest may set to any value.
func plain(names ...string) members {
	m := members{}
	for _, n := range names {
		m[n] = anything
	}
	return m
}

// and adds members with rules of their own.
func (m members) and(more members) members {
	maps.Copy(m, more)
	return m
}
