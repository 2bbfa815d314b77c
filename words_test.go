package sallyport_test

import (
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const glossary = "docs/reference/glossary.md"

// retired reads the table of the glossary: words that texts do without, and
// names that Go code does not declare.
func retired(t *testing.T) (text *regexp.Regexp, names []string) {
	t.Helper()
	data, err := os.ReadFile(filepath.FromSlash(glossary))
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(data), "\n## Retired words\n")
	if !ok {
		t.Fatalf("%s has no heading %q", glossary, "Retired words")
	}
	var words []string
	quoted := regexp.MustCompile("`([^`]+)`")
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 3 {
			continue
		}
		for _, m := range quoted.FindAllStringSubmatch(cells[0], -1) {
			switch strings.TrimSpace(cells[2]) {
			case "text":
				words = append(words, strings.ReplaceAll(regexp.QuoteMeta(m[1]), " ", `\s+(?://\s+|#\s+)?`))
			case "names":
				names = append(names, m[1])
			default:
				t.Errorf("%s: a word is retired in %q, which is neither text nor names", glossary, cells[2])
			}
		}
	}
	if len(words) < 10 || len(names) < 10 {
		t.Fatalf("%s: %d words and %d names were read of its table", glossary, len(words), len(names))
	}
	return regexp.MustCompile(`(?i)\b(?:` + strings.Join(words, "|") + `)\b`), names
}

// pinned are files whose text is stored or compared byte by byte, or that are
// not written by us.
func pinned(name string) bool {
	return name == glossary || name == "CHANGELOG.md" || name == "LICENSE" || strings.Contains(name, "testdata/") ||
		strings.HasPrefix(name, "adapters/ledger/migrations/") || strings.HasSuffix(name, ".sum")
}

var (
	codeSpan = regexp.MustCompile("`[^`\n]+`")
	oneWord  = regexp.MustCompile(`^["` + "`" + `][a-z_]+["` + "`" + `]$`)
)

// TestWords holds texts and names to the glossary.
func TestWords(t *testing.T) {
	words, names := retired(t)
	for _, name := range files(t) {
		if pinned(name) {
			continue
		}
		switch path.Ext(name) {
		case ".md", ".yaml", ".yml", ".rego", ".tpl", ".txtar", ".txt", ".mod", "":
			lookFor(t, words, name, 1, codeSpan.ReplaceAllStringFunc(string(read(t, name)), func(s string) string {
				return strings.Repeat(" ", len(s)) // a value of the wire or a name of code, which has its own check
			}))
		case ".go":
			if name != "words_test.go" {
				lookIntoGo(t, words, names, name)
			}
		}
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// lookFor reports each retired word of a text that begins in a line.
func lookFor(t *testing.T, words *regexp.Regexp, name string, line int, text string) {
	t.Helper()
	for _, at := range words.FindAllStringIndex(text, -1) {
		t.Errorf("%s:%d: %q: see %s", name, line+strings.Count(text[:at[0]], "\n"), text[at[0]:at[1]], glossary)
	}
}

// lookIntoGo looks at comments and string literals, and at what is declared.
func lookIntoGo(t *testing.T, words *regexp.Regexp, names []string, name string) {
	t.Helper()
	src := read(t, name)
	fset := token.NewFileSet()
	var s scanner.Scanner
	s.Init(fset.AddFile(name, -1, len(src)), src, nil, scanner.ScanComments)
	block, first, last := "", 0, 0 // line comments that follow each other are one text
	for {
		pos, tok, lit := s.Scan()
		line := fset.Position(pos).Line
		if tok == token.COMMENT && block != "" && line == last+1 {
			block += "\n" + lit
			last = line + strings.Count(lit, "\n")
			continue
		}
		if tok == token.SEMICOLON && lit == "\n" {
			continue
		}
		lookFor(t, words, name, first, block)
		block = ""
		switch tok {
		case token.COMMENT:
			block, first, last = lit, line, line+strings.Count(lit, "\n")
		case token.STRING:
			if !oneWord.MatchString(lit) { // a value of the wire
				lookFor(t, words, name, line, lit)
			}
		case token.EOF:
			lookAtNames(t, names, name, src)
			return
		default: // holds no text
		}
	}
}

func lookAtNames(t *testing.T, names []string, name string, src []byte) {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		var declared []*ast.Ident
		switch n := n.(type) {
		case *ast.FuncDecl:
			declared = []*ast.Ident{n.Name}
		case *ast.TypeSpec:
			declared = []*ast.Ident{n.Name}
		case *ast.GenDecl:
			if n.Tok == token.CONST {
				for _, s := range n.Specs {
					if v, ok := s.(*ast.ValueSpec); ok {
						declared = append(declared, v.Names...)
					}
				}
			}
		}
		for _, d := range declared {
			if slices.Contains(names, d.Name) {
				t.Errorf("%s:%d: %s is declared: see %s", name, fset.Position(d.Pos()).Line, d.Name, glossary)
			}
		}
		return true
	})
}
