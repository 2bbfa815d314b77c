package sallyport_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	"github.com/sallyport/sallyport"
)

// constants are the values that a file declares of a type, in its order.
func constants(t *testing.T, file, typ string) (values []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); ok && name.Name == typ {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, value)
		}
		return true
	})
	return values
}

// TestListsAreComplete: what is declared and not listed is unknown to those
// who go by the list.
func TestListsAreComplete(t *testing.T) {
	if got, want := sallyport.EvidenceClasses(), constants(t, "evidence.go", "EvidenceClass"); !slices.EqualFunc(got, want, equal) {
		t.Errorf("EvidenceClasses lists %v, and evidence.go declares %v", got, want)
	}
	if got, want := sallyport.States(), constants(t, "outcome.go", "State"); !slices.EqualFunc(got, want, equal) {
		t.Errorf("States lists %v, and outcome.go declares %v", got, want)
	}
}

func equal[T ~string](listed T, declared string) bool { return string(listed) == declared }

func TestEvidenceKeys(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range []sallyport.Evidence{
		{Class: sallyport.TemporalPrincipal, EventID: 1},
		{Class: sallyport.TemporalPrincipal, EventID: 11},
		{Class: sallyport.APIAttested, Token: "a"},
		{Class: sallyport.APIAttested, Token: "event/1"},
		{Class: sallyport.IDPSigned},
	} {
		if k := e.Key(); seen[k] || k == "" {
			t.Errorf("key %q of %+v is another's", k, e)
		}
		seen[e.Key()] = true
	}
}
