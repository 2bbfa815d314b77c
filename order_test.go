package sallyport_test

import (
	"cmp"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestReadingOrder holds the package comment against the files: it lists each
// file once, and no file names a declaration of a later one, so that a reader
// who follows the list has seen every word before it is used.
func TestReadingOrder(t *testing.T) {
	fset := token.NewFileSet()
	order, parsed := []string{"doc.go"}, []*ast.File{}
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
	for _, name := range names {
		f, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
		for _, line := range regexp.MustCompile(`(?m)^ +- ([a-z_]+\.go): `).FindAllStringSubmatch(f.Doc.Text(), -1) {
			order = append(order, line[1])
		}
	}
	if listed := slices.Sorted(slices.Values(order)); !slices.Equal(listed, names) {
		t.Fatalf("the package comment lists %v\nand the files are %v", listed, names)
	}

	info := types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
	pkg, err := config.Check(module, fset, parsed, &info)
	if err != nil {
		t.Fatal(err)
	}
	inOrder := func(a, b *ast.Ident) int { return cmp.Compare(a.Pos(), b.Pos()) }
	for _, id := range slices.SortedFunc(maps.Keys(info.Uses), inOrder) {
		if info.Uses[id].Pkg() != pkg {
			continue
		}
		at, declared := fset.Position(id.Pos()), fset.Position(info.Uses[id].Pos())
		if slices.Index(order, declared.Filename) > slices.Index(order, at.Filename) {
			t.Errorf("%s names %s, which %s declares, a later file of the package comment: move one of them", at, id.Name, declared.Filename)
		}
	}
}
