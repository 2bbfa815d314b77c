package docs_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// updates is what this test reads of the update bot's configuration.
type updates struct {
	CustomManagers []struct {
		FilePatterns []string `json:"managerFilePatterns"`
		MatchStrings []string `json:"matchStrings"`
	} `json:"customManagers"`
	PackageRules []struct {
		Description     string   `json:"description"`
		MatchPackages   []string `json:"matchPackageNames"`
		AllowedVersions string   `json:"allowedVersions"`
	} `json:"packageRules"`
}

func readUpdates(t *testing.T) updates {
	t.Helper()
	var u updates
	if err := json.Unmarshal([]byte(read(t, ".github/renovate.json")), &u); err != nil {
		t.Fatal(err)
	}
	return u
}

// TestHeldVersions holds each version that the update bot must not pass
// against the module files: a hold that they have passed is out of date.
func TestHeldVersions(t *testing.T) {
	files := read(t, "go.mod") + read(t, "dev/go.mod")
	held := 0
	for _, rule := range readUpdates(t).PackageRules {
		if rule.AllowedVersions == "" || slices.Equal(rule.MatchPackages, []string{"go"}) {
			continue // the Go release gets fixes
		}
		version, ok := strings.CutPrefix(rule.AllowedVersions, "<=")
		if !ok || rule.Description == "" || len(rule.MatchPackages) == 0 {
			t.Errorf("the hold %q of %v must be <= a version, name modules, and have a reason as its description", rule.AllowedVersions, rule.MatchPackages)
		}
		for _, module := range rule.MatchPackages {
			held++
			versions := regexp.MustCompile(`(?m)^\s*`+regexp.QuoteMeta(module)+` v(\S+)`).FindAllStringSubmatch(files, -1)
			if len(versions) == 0 {
				t.Errorf("%s is held at %s, and no module requires it", module, version)
			}
			for _, v := range versions {
				if v[1] != version {
					t.Errorf("%s is held at %s, and a module requires %s", module, version, v[1])
				}
			}
		}
	}
	if held < 10 {
		t.Errorf("only %d modules are held: the test does not find them any more", held)
	}
}

// TestReleaseGo: the bot finds the Go release in the Makefile by a pattern,
// and is silent when it matches nothing. The documentation names the same one.
func TestReleaseGo(t *testing.T) {
	managers := readUpdates(t).CustomManagers
	if len(managers) != 1 || len(managers[0].MatchStrings) != 1 {
		t.Fatalf("want one pattern, got %v", managers)
	}
	pattern := regexp.MustCompile(managers[0].MatchStrings[0])
	m := pattern.FindStringSubmatch(read(t, "Makefile"))
	if m == nil {
		t.Fatalf("%s matches nothing in the Makefile", pattern)
	}
	if row := "| `" + m[1] + "` | `GOTOOLCHAIN` in `Makefile` |"; !strings.Contains(read(t, "docs/reference/compatibility.md"), row) {
		t.Errorf("docs/reference/compatibility.md lacks the row %q", row)
	}
}
