package opa

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
)

// documents merges the data files, each rooted at its directory's path. Two
// files with the same member are rejected: their names would decide which one
// counts.
func documents(files map[string][]byte) (map[string]any, error) {
	root := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		doc, err := document(name, files[name])
		if err != nil {
			return nil, err
		}
		if dir := path.Dir(name); dir != "." {
			for _, step := range slices.Backward(strings.Split(dir, "/")) {
				doc = map[string]any{step: doc}
			}
		}
		if err := merge(root, doc); err != nil {
			return nil, fmt.Errorf("%s:1: %w", name, err)
		}
	}
	return root, nil
}

func document(name string, content []byte) (map[string]any, error) {
	raw := content
	if path.Ext(name) != ".json" {
		f, err := strict.Document(name, content, &map[string]any{})
		if err != nil {
			return nil, err
		}
		v, err := f.Value()
		if err != nil {
			return nil, err
		}
		if raw, err = strict.Canonical(v); err != nil {
			return nil, fmt.Errorf("%s:1: not all of this can be written as JSON: %w", name, err)
		}
	}
	if _, err := strict.JSON(raw, strict.Limits{Depth: 32, Tokens: maxBytes}); err != nil {
		return nil, located(name, content, err)
	}
	// OPA's own reader, because a number is what its literal says and no float.
	var doc map[string]any
	if err := util.UnmarshalJSON(raw, &doc); err != nil || doc == nil {
		return nil, fmt.Errorf("%s:1: data must be an object", name)
	}
	return doc, nil
}

// located says in which line of a JSON file an error is.
func located(name string, content []byte, err error) error {
	fields := sallyport.AsError(err).Fields
	if len(fields) == 0 {
		return fmt.Errorf("%s:1: %w", name, err)
	}
	at := jsontext.Pointer(fields[0].Pointer)
	d := jsontext.NewDecoder(bytes.NewReader(content))
	for {
		_, stop := d.ReadToken()
		if stop != nil || (at != "" && d.StackPointer() == at) {
			break
		}
	}
	line := 1 + bytes.Count(content[:d.InputOffset()], []byte("\n"))
	return fmt.Errorf("%s:%d: %s: %w", name, line, at, err)
}

func merge(into, from map[string]any) error {
	for key, value := range from {
		old, taken := into[key]
		if !taken {
			into[key] = value
			continue
		}
		a, ok := old.(map[string]any)
		b, both := value.(map[string]any)
		if !ok || !both {
			return errors.New(key + " is in another data file too")
		}
		if err := merge(a, b); err != nil {
			return fmt.Errorf("%s.%w", key, err)
		}
	}
	return nil
}
