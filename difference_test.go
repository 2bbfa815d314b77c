package sallyport_test

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport"
)

func TestDifference(t *testing.T) {
	terms := sallyport.Terms{Groups: []string{"sre"}, Quorum: 1, TTLSeconds: 60}
	stricter := terms
	stricter.Quorum, stricter.Groups = 2, []string{"sre", "dev"}
	long := sallyport.Plan{Summary: strings.Repeat("x", 500)}
	for name, tt := range map[string]struct {
		before, after any
		want          string
	}{
		"Same":      {terms, terms, ""},
		"Members":   {terms, stricter, `groups: ["sre"] → ["sre","dev"]; quorum: 1 → 2`},
		"Inner":     {sallyport.Intent{Tool: sallyport.ToolRef{Digest: "a"}}, sallyport.Intent{Tool: sallyport.ToolRef{Digest: "b"}}, `tool.digest: "a" → "b"`},
		"Appeared":  {map[string]int{}, map[string]int{"a": 1}, "a: null → 1"},
		"Plain":     {1, 2, "1 → 2"},
		"Kinds":     {map[string]int{"a": 1}, []int{1}, `{"a":1} → [1]`},
		"Invisible": {"a", "b\u202e", `"a" → "b\u{202e}"`},
		"Long":      {sallyport.Plan{}, long, `summary: "" → "` + strings.Repeat("x", 99) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := sallyport.Difference(tt.before, tt.after); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
	hostile := map[string]any{"a\u202e" + strings.Repeat("x", 500): map[string]int{strings.Repeat("y", 500): 1}}
	if got := sallyport.Difference(hostile, map[string]any{"a": 1}); strings.Contains(got, "\u202e") || len([]rune(got)) > 500 {
		t.Errorf("%d bytes of hostile names: %q", len(got), got)
	}
	many := map[string]int{}
	for c := 'a'; c <= 'z'; c++ {
		many[string(c)] = 1
	}
	if got := sallyport.Difference(map[string]int{}, many); strings.Count(got, ";") != 10 || !strings.HasSuffix(got, "; …") {
		t.Errorf("%q should list ten, and say that there are more", got)
	}
}
