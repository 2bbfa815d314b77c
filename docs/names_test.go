package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// tree is what the Go files of the repository declare.
type tree struct {
	packages map[string]bool            // names of packages
	declared map[string]map[string]bool // by package name: functions, types, methods, fields, constants, variables
	tests    map[string]bool            // by directory: "dir.TestName"
	cases    map[string]string          // by directory: the text of its test files
	files    map[string]map[string]bool // by file: functions, types, methods, fields, constants, variables
	said     map[string]bool            // values of string literals
}

func parseTree(t *testing.T) tree {
	t.Helper()
	r := tree{
		packages: map[string]bool{}, declared: map[string]map[string]bool{}, tests: map[string]bool{},
		cases: map[string]string{}, files: map[string]map[string]bool{}, said: map[string]bool{},
	}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", ".sallyport", "bin", "testdata"}, d.Name()):
			return fs.SkipDir
		case path.Ext(name) != ".go":
			return nil
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, data, 0)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		r.add(filepath.ToSlash(rel), f, string(data))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r tree) add(name string, f *ast.File, text string) {
	pkg, dir := strings.TrimSuffix(f.Name.Name, "_test"), path.Dir(name)
	if dir == "." {
		dir = pkg
	}
	dir = strings.TrimPrefix(dir, "adapters/") // documents name adapters without it
	r.packages[pkg] = true
	if r.declared[pkg] == nil {
		r.declared[pkg] = map[string]bool{}
	}
	r.files[name] = map[string]bool{}
	declare := func(id *ast.Ident) { r.declared[pkg][id.Name], r.files[name][id.Name] = true, true }
	if strings.HasSuffix(name, "_test.go") {
		r.cases[dir] += text
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			declare(n.Name)
			if n.Recv == nil {
				r.tests[dir+"."+n.Name.Name] = true
			}
		case *ast.TypeSpec:
			declare(n.Name)
		case *ast.ValueSpec:
			for _, id := range n.Names {
				declare(id)
			}
		case *ast.Field:
			for _, id := range n.Names {
				declare(id)
			}
		case *ast.BasicLit:
			r.said[strings.Trim(n.Value, "`\"")] = true
		}
		return true
	})
}

// anywhere reports whether some package declares a name.
func (r tree) anywhere(name string) bool {
	for _, names := range r.declared {
		if names[name] {
			return true
		}
	}
	return false
}

var (
	code  = regexp.MustCompile("`([^`\n]+)`")
	tests = regexp.MustCompile(`^([a-z][a-z0-9/-]*)\.((?:Test|Fuzz|Benchmark)\w+)(?:/(\w+))?$`)
)

// TestTestsExist: a test that the documentation names is the reason to
// believe what stands beside it.
func TestTestsExist(t *testing.T) {
	r := parseTree(t)
	named := 0
	for _, d := range documents(t) {
		for _, m := range code.FindAllStringSubmatch(d.text, -1) {
			q := tests.FindStringSubmatch(m[1])
			if q == nil {
				continue
			}
			named++
			dir, test, sub := q[1], q[2], q[3]
			if !r.tests[dir+"."+test] {
				t.Errorf("%s: there is no test %s in %s", d.name, test, dir)
				continue
			}
			_, err := os.Stat(filepath.Join(root, dir, "testdata", sub+".txtar"))
			if err != nil {
				_, err = os.Stat(filepath.Join(root, "adapters", dir, "testdata", sub+".txtar"))
			}
			if sub != "" && err != nil && !strings.Contains(r.cases[dir], `"`+sub+`"`) {
				t.Errorf("%s: %s in %s has no case %s", d.name, test, dir, sub)
			}
		}
	}
	if named < 100 {
		t.Errorf("only %d tests are named: the pattern does not find them any more", named)
	}
}

// TestIdentifiersExist looks for what documents call by the names of the
// code: package.Name, Type.Method, and CamelCase of two humps and more.
func TestIdentifiersExist(t *testing.T) {
	r := parseTree(t)
	var (
		qualified = regexp.MustCompile(`^([a-z]\w*)\.([A-Z]\w*)(?:\.([A-Z]\w*))?$`)
		member    = regexp.MustCompile(`^([A-Z]\w*)\.([A-Z]\w*)$`)
		camel     = regexp.MustCompile(`^(?:[A-Z][a-z0-9]+){2,}$`)
	)
	const goGits = "CheckAndSetReference" // it is another project's
	for _, d := range documents(t) {
		for _, m := range code.FindAllStringSubmatch(d.text, -1) {
			if q := qualified.FindStringSubmatch(m[1]); q != nil && r.packages[q[1]] {
				for _, name := range q[2:] {
					if name != "" && !r.declared[q[1]][name] {
						t.Errorf("%s: package %s declares no %s", d.name, q[1], name)
					}
				}
			} else if q := member.FindStringSubmatch(m[1]); q != nil {
				for _, name := range q[1:] {
					if !r.anywhere(name) {
						t.Errorf("%s: no package declares %s", d.name, name)
					}
				}
			} else if camel.MatchString(m[1]) && m[1] != goGits && !r.anywhere(m[1]) && !r.said[m[1]] {
				t.Errorf("%s: no package declares and no text says %s", d.name, m[1])
			}
		}
	}
}

// TestDeclaredWhereDocumentsSay holds each "`name` in `file.go`" against the
// file: it exists and declares the name.
func TestDeclaredWhereDocumentsSay(t *testing.T) {
	r := parseTree(t)
	place := regexp.MustCompile("`([\\w.]+)`\\s+in\\s+`([\\w./-]+\\.go)`")
	named := 0
	for _, d := range documents(t) {
		for _, m := range place.FindAllStringSubmatch(d.text, -1) {
			named++
			name, file := m[1][strings.LastIndex(m[1], ".")+1:], m[2]
			switch declared, ok := r.files[file]; {
			case !ok:
				t.Errorf("%s: %s should be in %s, and there is no such file", d.name, m[1], file)
			case !declared[name]:
				t.Errorf("%s: %s does not declare %s", d.name, file, m[1])
			}
		}
	}
	if named < 5 {
		t.Errorf("only %d places are named: the pattern does not find them any more", named)
	}
}
