package compat

import (
	"go/ast"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestErrorCodes pins every code that an error, a refusal, a failure or a reason
// can have. It finds a code by its place: the argument for a parameter named
// code, the value of a field named Code, or a constant whose name begins with
// code.
func TestErrorCodes(t *testing.T) {
	s, found := code(t), map[string]bool{}
	add := func(f *goFile, e ast.Expr) {
		if v, ok := s.text(expr{f, e}); ok && isCode.MatchString(v) {
			found[v] = true
		}
	}
	codeName := regexp.MustCompile(`^[cC]ode[A-Z]`)
	functions := s.withParameter("code")
	each(s, func(f *goFile, n *ast.CallExpr) {
		if at, ok := functions[called(f, n)]; ok && at < len(n.Args) {
			add(f, n.Args[at])
		}
	})
	each(s, func(f *goFile, n *ast.CompositeLit) { field(s, f, n, "Code", func(v string) { found[v] = true }) })
	each(s, func(f *goFile, n *ast.AssignStmt) {
		for i, to := range n.Lhs {
			if x, ok := to.(*ast.SelectorExpr); ok && x.Sel.Name == "Code" && len(n.Rhs) == len(n.Lhs) {
				add(f, n.Rhs[i])
			}
		}
	})
	for name, value := range s.consts {
		if codeName.MatchString(name.name) {
			add(value.file, value.Expr)
		}
	}
	pinned{
		"codes.golden", "Codes of errors, refusals, failures and reasons that the gateway makes",
		"clients that tell errors apart by their code misread them, and records of earlier calls have codes that nothing explains",
	}.hold(t, slices.Sorted(maps.Keys(found)))
}

// withParameter maps each function that has a parameter of this name to the
// parameter's position. Temporal's constructor of errors takes a code as its
// second argument.
func (s *source) withParameter(parameter string) map[symbol]int {
	functions := map[symbol]int{{name: "NewNonRetryableApplicationError"}: 1}
	add := func(f *goFile, name string, t *ast.FuncType) {
		at := 0
		for _, p := range t.Params.List {
			for _, n := range p.Names {
				if n.Name == parameter {
					functions[visible(f, name)] = at
				}
				at++
			}
			at += max(0, 1-len(p.Names))
		}
	}
	each(s, func(f *goFile, n *ast.FuncDecl) { add(f, n.Name.Name, n.Type) })
	each(s, func(f *goFile, n *ast.AssignStmt) {
		to, named := n.Lhs[0].(*ast.Ident)
		if fun, ok := n.Rhs[0].(*ast.FuncLit); ok && named {
			add(f, to.Name, fun.Type)
		}
	})
	return functions
}

// called is the function that a call names.
func called(f *goFile, n *ast.CallExpr) symbol {
	switch fun := n.Fun.(type) {
	case *ast.Ident:
		return visible(f, fun.Name)
	case *ast.SelectorExpr:
		return visible(f, fun.Sel.Name)
	}
	return symbol{}
}

// visible is a name, of its package alone where it is not exported.
func visible(f *goFile, name string) symbol {
	if ast.IsExported(name) {
		return symbol{name: name}
	}
	return symbol{f.dir, name}
}

var isCode = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

var regoCode = regexp.MustCompile(`"code":\s*("[a-z_]+"|sprintf\(.*\))`)

// TestReasonCodes pins the codes of the built-in policy's reasons.
func TestReasonCodes(t *testing.T) {
	found := map[string]bool{}
	for name, text := range code(t).texts {
		if path.Ext(name) == ".rego" {
			for _, m := range regoCode.FindAllStringSubmatch(text, -1) {
				found[m[1]] = true
			}
		}
	}
	pinned{
		"reasons.golden", "Codes of reasons in the built-in policy",
		"clients and reports that tell reasons apart by their code misread them",
	}.hold(t, slices.Sorted(maps.Keys(found)))
}

// TestValues pins the values of every type of strings that has constants.
func TestValues(t *testing.T) {
	s, of := code(t), map[symbol][]string{}
	each(s, func(f *goFile, n *ast.GenDecl) {
		for _, spec := range n.Specs {
			v, ok := spec.(*ast.ValueSpec)
			if !ok || v.Type == nil {
				continue
			}
			name, ok := s.find(f, v.Type)
			if _, ours := s.types[name]; !ok || !ours {
				continue
			}
			for _, value := range v.Values {
				if text, ok := s.text(expr{f, value}); ok {
					of[name] = append(of[name], text)
				}
			}
		}
	})
	lines := map[string]bool{}
	for _, values := range of {
		slices.Sort(values)
		lines[strings.Join(quoted(values), " ")] = true
	}
	pinned{
		"values.golden", "Values of types with a fixed set of them (states, effects, verdicts, kinds and so on), a type a line",
		"records, leaves and answers hold a value that this version does not know",
	}.hold(t, slices.Sorted(maps.Keys(lines)))
}
