package sallyport_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sallyport/sallyport"
)

// TestRegistry: each constant of code.go has one entry with a cause and a remedy,
// and the only entries besides are codes of the built-in policy.
func TestRegistry(t *testing.T) {
	constants, rules := codeConstants(t), policyRules(t)
	seen := map[string]bool{}
	for _, g := range sallyport.CodeGroups() {
		for _, c := range g.Codes {
			_, emitted := constants[c.Name]
			switch {
			case seen[c.Name]:
				t.Errorf("%s has two entries", c.Name)
			case !emitted && !rules[c.Name]:
				t.Errorf("%s has an entry, and neither code.go nor the built-in policy has such a code", c.Name)
			case !strings.HasSuffix(c.Cause, ".") || !strings.HasSuffix(c.Remedy, "."):
				t.Errorf("%s: cause and remedy must be sentences: %q, %q", c.Name, c.Cause, c.Remedy)
			case !slices.IsSorted(c.Statuses):
				t.Errorf("%s: statuses must be in order: %v", c.Name, c.Statuses)
			}
			seen[c.Name] = true
		}
	}
	for code, name := range constants {
		if !seen[code] {
			t.Errorf("%s has no entry: say its cause and its remedy in one of the files remedy_*.go", name)
		}
	}
	for code := range rules {
		if !seen[code] {
			t.Errorf("the built-in policy gives the reason %s, which has no entry in remedy_tools.go", code)
		}
	}
}

// TestCodesAreConstants: what is shipped names a code by its constant, so that no
// code can be made which the registry lacks, and makes each of them somewhere.
func TestCodesAreConstants(t *testing.T) {
	made := map[string]bool{}
	fset, packages := shipped(t)
	for _, pkg := range packages {
		parameters := codeParameters(pkg)
		for _, f := range pkg {
			for _, e := range codesIn(f, parameters) {
				if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING && l.Value != `""` {
					t.Errorf("%s: the code %s must be a constant of code.go, with its entry in a file remedy_*.go", fset.Position(e.Pos()), l.Value)
				}
			}
			for _, constant := range madeIn(f) {
				made[constant] = true
			}
		}
	}
	for code, constant := range codeConstants(t) {
		if !made[constant] {
			t.Errorf("%s (%s) is in the registry, and no package makes it", constant, code)
		}
	}
}

// shipped parses the packages that make codes, without the registry itself.
func shipped(t *testing.T) (*token.FileSet, map[string][]*ast.File) {
	t.Helper()
	fset, packages := token.NewFileSet(), map[string][]*ast.File{}
	for _, name := range files(t) {
		if path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") || declaresCodes(name) || !makesCodes(path.Dir(name)) {
			continue
		}
		f, err := parser.ParseFile(fset, filepath.FromSlash(name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		packages[path.Dir(name)] = append(packages[path.Dir(name)], f)
	}
	return fset, packages
}

func declaresCodes(name string) bool {
	return name == "code.go" || strings.HasPrefix(name, "remedy")
}

// makesCodes reports whether a directory is of what is shipped here. The Temporal
// server of this repository is not: its refusals reach its clients as text alone.
func makesCodes(dir string) bool {
	for part := range strings.SplitSeq(dir, "/") {
		if strings.HasSuffix(part, "test") || part == "testdata" {
			return false
		}
	}
	top, _, _ := strings.Cut(dir, "/")
	return !slices.Contains([]string{"bench", "dev", "e2e", "temporal-server"}, top)
}

// codeConstants are the names of the constants of code.go, by their codes.
func codeConstants(t *testing.T) map[string]string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "code.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	constants := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || !isCodeName(v.Names[0].Name) {
			return true
		}
		code, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
		if err != nil || constants[code] != "" || !regexp.MustCompile(`^[a-z][a-z0-9_]*$`).MatchString(code) {
			t.Errorf("%s must be a code of its own, such as not_found: %q, %v", v.Names[0], code, err)
		}
		constants[code] = v.Names[0].Name
		return true
	})
	return constants
}

func isCodeName(name string) bool { return regexp.MustCompile(`^[cC]ode[A-Z]`).MatchString(name) }

// policyRules are the codes that the built-in policy spells out.
func policyRules(t *testing.T) map[string]bool {
	t.Helper()
	rules := map[string]bool{}
	for _, name := range files(t) {
		if path.Dir(name) != "policies" || path.Ext(name) != ".rego" || strings.HasSuffix(name, "_test.rego") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"code": "(\w+)"`).FindAllStringSubmatch(string(text), -1) {
			rules[m[1]] = true
		}
	}
	return rules
}

// codesIn are the expressions of a file that are codes by their place: arguments
// for a parameter that is called code, and the values of fields, variables and
// constants that are called so.
func codesIn(f *ast.File, parameters map[string]int) (found []ast.Expr) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if at, ok := parameters[nameOf(n.Fun)]; ok && at < len(n.Args) {
				found = append(found, n.Args[at])
			}
		case *ast.KeyValueExpr:
			if isCode(n.Key) {
				found = append(found, n.Value)
			}
		case *ast.AssignStmt:
			for i, to := range n.Lhs {
				if isCode(to) && len(n.Lhs) == len(n.Rhs) {
					found = append(found, n.Rhs[i])
				}
			}
		case *ast.ValueSpec:
			for i, to := range n.Names {
				if (isCode(to) || isCodeName(to.Name)) && i < len(n.Values) {
					found = append(found, n.Values[i])
				}
			}
		}
		return true
	})
	return found
}

// codeParameters are the functions of a package that take a code, with the
// position of the parameter. Two of other packages are called everywhere.
func codeParameters(pkg []*ast.File) map[string]int {
	positions := map[string]int{"Errorf": 1, "NewNonRetryableApplicationError": 1}
	add := func(name string, t *ast.FuncType) {
		at := 0
		for _, field := range t.Params.List {
			for _, p := range field.Names {
				if isCode(p) {
					positions[name] = at
				}
				at++
			}
		}
	}
	for _, f := range pkg {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				add(n.Name.Name, n.Type)
			case *ast.AssignStmt:
				if fun, ok := n.Rhs[0].(*ast.FuncLit); ok {
					add(nameOf(n.Lhs[0]), fun.Type)
				}
			}
			return true
		})
	}
	return positions
}

// madeIn are the constants that a file names other than to compare with them.
func madeIn(f *ast.File) (names []string) {
	var visit func(n ast.Node) bool
	visit = func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			return n.Op != token.EQL && n.Op != token.NEQ
		case *ast.CaseClause:
			for _, s := range n.Body {
				ast.Inspect(s, visit)
			}
			return false
		case *ast.Ident:
			if isCodeName(n.Name) {
				names = append(names, n.Name)
			}
		}
		return true
	}
	ast.Inspect(f, visit)
	return names
}

// nameOf is the last name of an expression such as sallyport.Errorf. That of
// fmt.Errorf, which takes no code, is "".
func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		if x, ok := e.X.(*ast.Ident); !ok || x.Name != "fmt" {
			return e.Sel.Name
		}
	}
	return ""
}

func isCode(e ast.Expr) bool { return nameOf(e) == "code" || nameOf(e) == "Code" }
