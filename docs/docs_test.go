// Package docs_test holds the documentation against the tree that it is about.
package docs_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the repository's, seen from this package.
const root = ".."

// document is one markdown file.
type document struct {
	name   string // slash-separated, from the repository's root
	text   string // without code blocks
	blocks []block
}

// block is a fenced code block.
type block struct {
	line     int
	language string
	check    string // what an HTML comment before the block says it is
	text     string
}

var check = regexp.MustCompile(`^<!-- check: (\w+) -->$`)

// documents are all markdown files of the repository.
func documents(t *testing.T) []document {
	t.Helper()
	var all []document
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", ".sallyport", "bin", "testdata", "node_modules"}, d.Name()):
			return fs.SkipDir
		case path.Ext(name) != ".md":
			return nil
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(name)
		all = append(all, parse(filepath.ToSlash(rel), string(data)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func parse(name, data string) document {
	d := document{name: name}
	var text strings.Builder
	var open *block
	next := ""
	n := 0
	for line := range strings.Lines(data) {
		n++
		trimmed := strings.TrimSpace(line)
		fence, language, _ := strings.Cut(trimmed, "```")
		switch {
		case strings.HasPrefix(trimmed, "```") && fence == "" && open == nil:
			open = &block{line: n, language: language, check: next}
		case trimmed == "```" && open != nil:
			d.blocks = append(d.blocks, *open)
			open, next = nil, ""
		case open != nil:
			open.text += line
		default:
			text.WriteString(line)
			if m := check.FindStringSubmatch(trimmed); m != nil {
				next = m[1]
			} else if trimmed != "" {
				next = ""
			}
		}
	}
	d.text = text.String()
	return d
}

func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, d := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(d.text, -1) {
			u, err := url.Parse(m[1])
			if err != nil {
				t.Errorf("%s: %s: %v", d.name, m[1], err)
				continue
			}
			if u.Scheme != "" {
				continue
			}
			target := d.name
			if u.Path != "" {
				target = path.Join(path.Dir(d.name), u.Path)
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s: link to %s: there is no %s", d.name, m[1], target)
				continue
			}
			if u.Fragment != "" && !slices.Contains(anchors(t, target), u.Fragment) {
				t.Errorf("%s: link to %s: %s has no such heading", d.name, m[1], target)
			}
		}
	}
}

// anchors are the headings of a document, as GitHub makes links of them.
func anchors(t *testing.T, name string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for line := range strings.Lines(parse(name, string(data)).text) {
		if title, ok := strings.CutPrefix(strings.TrimLeft(strings.TrimSpace(line), "#"), " "); ok && strings.HasPrefix(line, "#") {
			slug := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(title), "")
			list = append(list, strings.ReplaceAll(slug, " ", "-"))
		}
	}
	return list
}

// TestFilesExist looks at paths in backticks whose first part is a directory
// of ours.
func TestFilesExist(t *testing.T) {
	quoted := regexp.MustCompile("`([a-z.][\\w.-]*(?:/[\\w.-]+)+)`")
	for _, d := range documents(t) {
		for _, m := range quoted.FindAllStringSubmatch(d.text, -1) {
			if tests.MatchString(m[1]) {
				continue
			}
			first, _, _ := strings.Cut(m[1], "/")
			if _, err := os.Stat(filepath.Join(root, first)); err != nil || first == ".sallyport" || first == "bin" {
				continue
			}
			if m[1] == "tools/list" || m[1] == "tools/call" { // methods of MCP
				continue
			}
			_, here := os.Stat(filepath.Join(root, path.Dir(d.name), m[1]))
			if _, err := os.Stat(filepath.Join(root, m[1])); errors.Is(err, fs.ErrNotExist) && here != nil {
				t.Errorf("%s: there is no %s", d.name, m[1])
			}
		}
	}
}

func TestJSONBlocks(t *testing.T) {
	for _, d := range documents(t) {
		for _, b := range d.blocks {
			if b.language == "json" && !json.Valid([]byte(b.text)) {
				t.Errorf("%s:%d: this is not JSON", d.name, b.line)
			}
		}
	}
}

// TestDependenciesAreExplained wants every direct dependency in the table of
// decision 0002, and nothing there that is none.
func TestDependenciesAreExplained(t *testing.T) {
	explained := map[string]bool{}
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")
	for _, m := range row.FindAllStringSubmatch(read(t, "docs/decisions/0002-dependencies.md"), -1) {
		explained[m[1]] = true
	}
	required := regexp.MustCompile(`(?m)^(?:require )?\s*([\w./-]+\.[\w./-]+) v\S+(.*)$`)
	known := map[string]bool{}
	for _, file := range []string{"go.mod", "temporal-server/go.mod", "dev/go.mod", "e2e/go.mod", "e2e/cmd/kubernetes/go.mod", "e2e/cmd/coredns/go.mod"} {
		for _, m := range required.FindAllStringSubmatch(read(t, file), -1) {
			known[m[1]] = true
			direct := !strings.Contains(m[2], "// indirect") && !strings.HasPrefix(m[1], "github.com/sallyport/")
			if direct && !explained[m[1]] {
				t.Errorf("%s requires %s, which docs/decisions/0002-dependencies.md does not explain", file, m[1])
			}
		}
	}
	for module := range explained {
		if !known[module] {
			t.Errorf("docs/decisions/0002-dependencies.md explains %s, which nothing requires", module)
		}
	}
}

// TestTestedVersions holds the versions that the documentation names against
// the module files.
func TestTestedVersions(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| [^|]+ \\| `([\\d.]+)` \\| (?:`([^`]+)` in )?`([\\w/]*go\\.mod)` \\|$")
	rows := row.FindAllStringSubmatch(read(t, "docs/reference/compatibility.md"), -1)
	for _, m := range rows {
		version, module, file := m[1], m[2], m[3]
		line := `(?m)^\s*` + regexp.QuoteMeta(module+" v"+version) + `( |$)`
		if module == "" {
			line = `(?m)^` + regexp.QuoteMeta("go "+version) + `$`
		}
		if !regexp.MustCompile(line).MatchString(read(t, file)) {
			t.Errorf("docs/reference/compatibility.md: %s does not say version %s of %s", file, version, cmp.Or(module, "Go"))
		}
	}
	if len(rows) < 5 {
		t.Errorf("only %d versions are named: the pattern does not find them any more", len(rows))
	}
}

// TestDecisionsAreListed: a decision that the index doesn't name is not found.
func TestDecisionsAreListed(t *testing.T) {
	index := read(t, "docs/decisions/README.md")
	files, err := filepath.Glob(filepath.Join(root, "docs/decisions/0*.md"))
	if err != nil || len(files) == 0 {
		t.Fatal("there are no decisions", err)
	}
	for _, f := range files {
		name := filepath.Base(f)
		text := read(t, "docs/decisions/"+name)
		for _, part := range []string{"# " + name[:4] + ". ", "\n## Context\n", "\n## Decision\n", "\n## Consequences\n"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s has no %q", name, strings.TrimSpace(part))
			}
		}
		if !strings.Contains(index, "("+name+")") {
			t.Errorf("docs/decisions/README.md does not list %s", name)
		}
	}
}

// TestPagesAreListed: a page that the index doesn't name is not found.
func TestPagesAreListed(t *testing.T) {
	index := read(t, "docs/README.md")
	listed := 0
	for _, d := range documents(t) {
		name, ok := strings.CutPrefix(d.name, "docs/")
		if !ok || name == "README.md" || strings.HasPrefix(name, "decisions/") {
			continue
		}
		listed++
		if !strings.Contains(index, "("+name+")") {
			t.Errorf("docs/README.md does not list %s", name)
		}
	}
	if listed < 10 {
		t.Errorf("only %d pages were found below docs", listed)
	}
}

// TestREADMEIsShort keeps the first page one that is read to its end.
func TestREADMEIsShort(t *testing.T) {
	const most = 150
	if n := strings.Count(read(t, "README.md"), "\n"); n > most {
		t.Errorf("README.md has %d lines, and should have %d at most: move details to a page below docs", n, most)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
