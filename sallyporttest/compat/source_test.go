package compat

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
	"strconv"
	"strings"
	"sync"
	"testing"
)

// source is the syntax of all modules of the repository, without tests and
// programs for tests. Searching all of it keeps the golden files independent
// of the directory that code is in.
type source struct {
	root     string
	files    []goFile
	texts    map[string]string // YAML, templates and Rego, by path
	packages map[string]string // import path → directory
	consts   map[symbol]expr
	types    map[symbol]declaration
}

// symbol is a name that a package declares.
type symbol struct{ dir, name string }

type goFile struct {
	dir     string
	syntax  *ast.File
	imports map[string]string // name in the file → import path
}

// expr is an expression in its file.
type expr struct {
	file *goFile
	ast.Expr
}

type declaration struct {
	file *goFile
	spec *ast.TypeSpec
}

var readSource = sync.OnceValues(func() (*source, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	s := &source{root: root, texts: map[string]string{}, packages: map[string]string{}, consts: map[symbol]expr{}, types: map[symbol]declaration{}}
	if err := filepath.WalkDir(root, s.visit); err != nil {
		return nil, err
	}
	for i := range s.files {
		s.declare(&s.files[i])
	}
	return s, nil
})

func code(t *testing.T) *source {
	t.Helper()
	s, err := readSource()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// moduleRoot is the directory of this module's go.mod, which is the repository's.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			err = fs.ErrNotExist
		}
	}
	return "", err
}

var modulePath = regexp.MustCompile(`(?m)^module (\S+)$`)

// skipped reports whether a directory holds nothing that users run.
func skipped(name string) bool {
	return strings.HasSuffix(name, "test") ||
		slices.Contains([]string{".git", ".sallyport", "bin", "node_modules", "testdata", "e2e", "bench"}, name)
}

func (s *source) visit(name string, d fs.DirEntry, err error) error {
	switch {
	case err != nil:
		return err
	case d.IsDir() && name != s.root && skipped(d.Name()):
		return fs.SkipDir
	case !d.Type().IsRegular() || strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "_test.rego"):
		return nil
	}
	switch ext := path.Ext(name); {
	case ext == ".go":
		return s.parse(name)
	case d.Name() == "go.mod", ext == ".yaml", ext == ".tpl", ext == ".tmpl", ext == ".rego", ext == ".sql", ext == ".schema":
		data, err := os.ReadFile(name)
		s.texts[filepath.ToSlash(strings.TrimPrefix(name, s.root))] = string(data)
		return err
	}
	return nil
}

func (s *source) parse(name string) error {
	syntax, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	f := goFile{dir: filepath.ToSlash(strings.TrimPrefix(filepath.Dir(name), s.root)), syntax: syntax, imports: map[string]string{}}
	for _, i := range syntax.Imports {
		to, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			return err
		}
		as := path.Base(to)
		if i.Name != nil {
			as = i.Name.Name
		}
		f.imports[as] = to
	}
	s.files = append(s.files, f)
	return nil
}

// declare collects a file's constants and types.
func (s *source) declare(f *goFile) {
	s.packages[s.importPath(f.dir)] = f.dir
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.TypeSpec:
			s.types[symbol{f.dir, n.Name.Name}] = declaration{f, n}
		case *ast.GenDecl:
			if n.Tok == token.CONST {
				for _, spec := range n.Specs {
					v := spec.(*ast.ValueSpec)
					for i, value := range v.Values {
						s.consts[symbol{f.dir, v.Names[i].Name}] = expr{f, value}
					}
				}
			}
		}
		return true
	})
}

// importPath is the path that other packages import a directory by.
func (s *source) importPath(dir string) string {
	for up := dir; ; up = strings.TrimSuffix(path.Dir(up), "/") {
		if mod, ok := s.texts[up+"/go.mod"]; ok {
			return modulePath.FindStringSubmatch(mod)[1] + strings.TrimPrefix(dir, up)
		}
		if up == "" {
			return dir
		}
	}
}

// find is the symbol that an identifier, or a selector of one of our packages,
// stands for.
func (s *source) find(f *goFile, e ast.Expr) (symbol, bool) {
	switch e := e.(type) {
	case *ast.Ident:
		return symbol{f.dir, e.Name}, true
	case *ast.SelectorExpr:
		if x, ok := e.X.(*ast.Ident); ok {
			dir, ours := s.packages[f.imports[x.Name]]
			return symbol{dir, e.Sel.Name}, ours
		}
	}
	return symbol{}, false
}

// text evaluates an expression that is a constant string.
func (s *source) text(e expr) (string, bool) {
	switch x := e.Expr.(type) {
	case *ast.BasicLit:
		v, err := strconv.Unquote(x.Value)
		return v, x.Kind == token.STRING && err == nil
	case *ast.ParenExpr:
		return s.text(expr{e.file, x.X})
	case *ast.BinaryExpr:
		a, ok := s.text(expr{e.file, x.X})
		b, both := s.text(expr{e.file, x.Y})
		return a + b, ok && both && x.Op == token.ADD
	}
	if name, ok := s.find(e.file, e.Expr); ok {
		if value, ok := s.consts[name]; ok {
			return s.text(value)
		}
	}
	return "", false
}

// each visits all nodes of a type.
func each[N ast.Node](s *source, visit func(f *goFile, n N)) {
	for i := range s.files {
		f := &s.files[i]
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if n, ok := n.(N); ok {
				visit(f, n)
			}
			return true
		})
	}
}

var structTag = regexp.MustCompile(`^[a-z_]+:"`)

// literals visits string literals that are neither imports nor tags of structs.
func (s *source) literals(visit func(text string)) {
	imports := map[*ast.BasicLit]bool{}
	each(s, func(_ *goFile, n *ast.ImportSpec) { imports[n.Path] = true })
	each(s, func(f *goFile, n *ast.BasicLit) {
		if text, ok := s.text(expr{f, n}); ok && !imports[n] && !structTag.MatchString(text) {
			visit(text)
		}
	})
}
