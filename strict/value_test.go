package strict_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/strict"
)

func value(text string) (any, error) {
	var whole any
	f, err := strict.Document("x.yaml", []byte(text), &whole)
	if err != nil {
		return nil, err
	}
	return f.Value()
}

func TestValue(t *testing.T) {
	for name, tt := range map[string]struct{ yaml, want string }{
		"Date":        {"d: 2026-12-24", `{"d":"2026-12-24"}`},
		"Dates":       {"days: [2026-12-24, 2026-1-1]", `{"days":["2026-12-24","2026-1-1"]}`},
		"Time":        {"at: 2026-12-24T18:00:00Z", `{"at":"2026-12-24T18:00:00Z"}`},
		"TimeSpaced":  {"at: 2026-12-24 18:00:00", `{"at":"2026-12-24 18:00:00"}`},
		"Quoted":      {`d: "2026-12-24"`, `{"d":"2026-12-24"}`},
		"DateAsKey":   {"2026-12-24: closed", `{"2026-12-24":"closed"}`},
		"Alias":       {"a: &x 2026-12-24\nb: *x", `{"a":"2026-12-24","b":"2026-12-24"}`},
		"Merge":       {"base: &b {d: 2026-12-24}\nmore: {<<: *b, n: 1}", `{"base":{"d":"2026-12-24"},"more":{"d":"2026-12-24","n":1}}`},
		"Keys":        {"{1: a, true: b, 1.5: c}", `{"1":"a","1.5":"c","true":"b"}`},
		"Words":       {"{a: yes, b: on, c: off, d: no}", `{"a":"yes","b":"on","c":"off","d":"no"}`},
		"Numbers":     {"{a: 010, b: 0x10, c: 1_000, d: 1e3}", `{"a":8,"b":16,"c":1000,"d":1000}`},
		"Nothing":     {"a:", `{"a":null}`},
		"OnTop":       {"2026-12-24", `"2026-12-24"`},
		"NestedLists": {"a: [[2026-12-24]]", `{"a":[["2026-12-24"]]}`},
	} {
		v, err := value(tt.yaml)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := json.Marshal(v); err != nil || string(got) != tt.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, tt.want)
		}
	}
}

func TestValueRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ yaml, want string }{
		"Twice":       {"a: 1\na: 2", `x.yaml:2: mapping key "a" already defined`},
		"TwiceAsText": {"a: 1\nb:\n  1.0: x\n  \"1\": y", `two keys are "1" as text`},
		"NullKey":     {"~: x", "x.yaml:1: a key must be text"},
		"ListKey":     {"? [1]\n: x", "x.yaml:1: "},
	} {
		if _, err := value(tt.yaml); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want %q", name, err, tt.want)
		}
	}
}
