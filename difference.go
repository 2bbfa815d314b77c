package sallyport

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

const (
	mostDifferences = 10  // that are listed
	mostOfAValue    = 100 // characters of a value that are shown
)

// Difference says how two values differ, member by member of their JSON, such
// as `quorum: 1 → 2`. It is empty where they don't. Values are cut, and shown
// as [Visible] shows text.
func Difference(before, after any) string {
	var found []string
	compare("", generic(before), generic(after), &found)
	if len(found) > mostDifferences {
		found = append(found[:mostDifferences], "…")
	}
	return strings.Join(found, "; ")
}

// generic is a value as JSON has it: maps, slices, strings, numbers.
func generic(v any) (g any) {
	if err := json.Unmarshal(mustJSON(v), &g); err != nil {
		return string(mustJSON(v))
	}
	return g
}

func compare(path string, before, after any, found *[]string) {
	b, wasMap := before.(map[string]any)
	a, isMap := after.(map[string]any)
	if wasMap && isMap {
		names := maps.Clone(b)
		maps.Copy(names, a)
		for _, name := range slices.Sorted(maps.Keys(names)) {
			compare(strings.TrimPrefix(path+"."+shown(name), "."), b[name], a[name], found)
		}
		return
	}
	was, is := string(mustJSON(before)), string(mustJSON(after))
	if was != is {
		*found = append(*found, strings.TrimPrefix(path+": "+shown(was)+" → "+shown(is), ": "))
	}
}

func shown(s string) string { return Shorten(Visible(s), mostOfAValue) }
