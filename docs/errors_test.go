package docs_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
)

var update = flag.Bool("update", false, "rewrite the pages that are made of the code")

// generated holds the part of a page that is made of the code, which begins at its
// mark, against the code.
func generated(t *testing.T, name, want string) {
	t.Helper()
	mark := "<!-- made of the code: go test ./docs -run " + t.Name() + " -update -->\n\n"
	prose, have, found := strings.Cut(read(t, name), mark)
	if !found {
		t.Fatalf("%s lacks the line %s", name, mark)
	}
	if *update {
		if err := os.WriteFile(filepath.Join(root, name), []byte(prose+mark+want), 0o644); err != nil {
			t.Fatal(err)
		}
		have = want
	}
	if d := cmp.Diff(have, want); d != "" {
		t.Errorf("%s is not what the code says: run `go test ./docs -run %s -update` (-page +code)\n%s", name, t.Name(), d)
	}
}

// TestErrorsPage: the page is the registry.
func TestErrorsPage(t *testing.T) {
	var page strings.Builder
	for _, g := range sallyport.CodeGroups() {
		fmt.Fprintf(&page, "## %s\n\n%s\n\n", g.Title, g.About)
		for _, c := range g.Codes {
			fmt.Fprintf(&page, "### `%s`\n\n**HTTP:** %s · **Retry:** %s\n\n**Cause:** %s\n\n**Remedy:** %s\n\n",
				c.Name, statuses(c.Statuses), retry(c.Retry), c.Cause, c.Remedy)
		}
	}
	generated(t, "docs/reference/errors.md", strings.TrimSuffix(page.String(), "\n"))
}

func statuses(list []int) string {
	if len(list) == 0 {
		return "none"
	}
	var texts []string
	for _, s := range list {
		texts = append(texts, strings.TrimSpace(fmt.Sprint(s, " ", http.StatusText(s))))
	}
	return strings.Join(texts, ", ")
}

func retry(r sallyport.Retry) string {
	switch r {
	case sallyport.RetryLater:
		return "yes, later, unchanged"
	case sallyport.RetryNever:
		return "no"
	case sallyport.RetryLook:
		return "only after a look at the target"
	case sallyport.RetryChanged:
		return "after the remedy"
	default:
		return "unknown"
	}
}

// TestMessagesExist: a message of a log that a remedy tells operators to look for
// is one that the code writes.
func TestMessagesExist(t *testing.T) {
	said := parseTree(t).said
	message := regexp.MustCompile("`([A-Za-z]+(?: [A-Za-z]+:?)+)`")
	commands := []string{"git", "kubectl", "sallyport", "sallyport-gateway"}
	named := 0
	for _, m := range message.FindAllStringSubmatch(read(t, "docs/reference/errors.md"), -1) {
		if first, _, _ := strings.Cut(m[1], " "); slices.Contains(commands, first) {
			continue
		}
		named++
		if !said[m[1]] {
			t.Errorf("docs/reference/errors.md quotes %q, which no code writes", m[1])
		}
	}
	if named < 5 {
		t.Errorf("only %d messages are quoted: the pattern does not find them any more", named)
	}
}
