package opa

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/loader"
)

// dataFiles are data as operators write it.
func dataFiles() map[string]string {
	return map[string]string{
		"dates/data.yaml": `days: [2026-12-24, 2026-1-1, 2026-12-24T18:00:00Z, 2026-12-24 18:00:00, 2026-12-24t18:00:00.5-05:00]
until: 2026-12-24
quoted: "2026-12-24"
first: &d 2026-12-31
again: *d
2026-12-25: closed
tagged: !!str 2026-12-24
`,
		"words/data.yaml":   "{a: yes, b: No, c: on, d: off, e: y, f: true, g: False, h: ~, i: null, j: '', k: \"\"}\n",
		"numbers/data.yaml": "{a: 0, b: 010, c: 0o10, d: 0x10, e: 0b11, f: 1_000, g: 1e3, h: 1.50, i: -0, j: 1:30, k: 9007199254740991, l: -9007199254740991, m: .5, n: 1234567, o: 1234567.0, p: +7}\n",
		"numbers.json":      `{"json": {"a": 1234567, "b": 1.0, "c": 1e3, "d": -0, "e": 9007199254740991, "f": 1.50, "g": 0.1}}`,
		"keys/data.yml":     "{1: a, true: b, 1.5: c, -2: d, 0x1F: e, yes: f}\n",
		"text/data.yaml":    "a: |\n  two\n  lines\nb: >\n  one\n  line\nc: 'it''s'\nd: \"\\u00e9\\t\"\ne: 1.2.3\nf: 12:30:00x\ng: v1\nh: =\ni: <<x\n",
		"merge/data.yaml":   "base: &b {a: 1, day: 2026-12-24}\none: {<<: *b, a: 2}\ntwo: {<<: [*b, {c: 3}]}\n",
		"lists/data.yaml":   "a: [[1, [2026-12-24]], [], {}]\nb:\n  - x: 1\n    y: 2026-12-24\n",
		"deep/er/data.yaml": "a: {b: {c: 2026-12-24}}\n",
	}
}

// TestDataAsOPAsLoaderHasIt loads the same files by OPA's loader, as its tester
// does, and by ours, and compares every value.
func TestDataAsOPAsLoaderHasIt(t *testing.T) {
	dir, ours := t.TempDir(), map[string][]byte{}
	for name, content := range dataFiles() {
		ours[name] = []byte(content)
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, ours[name], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	theirs, err := loader.NewFileLoader().All([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	got, err := documents(ours)
	if err != nil {
		t.Fatal(err)
	}
	compareValues(t, "", ast.MustInterfaceToValue(theirs.Documents), ast.MustInterfaceToValue(got))
	if n := len(theirs.Documents); n != 9 {
		t.Errorf("OPA's loader has %d documents, so that not all was compared", n)
	}
}

// compareValues compares member by member, with numbers as they are spelt:
// sprintf("%d") takes no 1e+06.
func compareValues(t *testing.T, at string, want, got ast.Value) {
	t.Helper()
	switch want := want.(type) {
	case ast.Object:
		ours, ok := got.(ast.Object)
		if !ok || ours.Len() != want.Len() {
			t.Errorf("%s: %v; OPA's loader has %v", at, got, want)
			return
		}
		want.Foreach(func(key, value *ast.Term) {
			mine := ours.Get(key)
			if mine == nil {
				t.Errorf("%s: no member %v, and OPA's loader has it", at, key)
				return
			}
			compareValues(t, at+"/"+key.String(), value.Value, mine.Value)
		})
	case *ast.Array:
		ours, ok := got.(*ast.Array)
		if !ok || ours.Len() != want.Len() {
			t.Errorf("%s: %v; OPA's loader has %v", at, got, want)
			return
		}
		for i := range want.Len() {
			compareValues(t, at+"[]", want.Elem(i).Value, ours.Elem(i).Value)
		}
	default:
		if got.String() != want.String() {
			t.Errorf("%s: %v; OPA's loader has %v", at, got, want)
		}
	}
}
