package policies_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/opa"
	"github.com/sallyport/sallyport/policies"
)

func TestRego(t *testing.T) {
	report, err := opa.Test(t.Context(), policies.FS())
	if err != nil {
		t.Fatal(err)
	}
	if !report.OK(100) {
		t.Errorf("want all tests to pass and to cover every line:\n%s", report)
	}
}

// TestEvidenceClasses holds the list of the policies against the gateway's: a
// class that is in one of them alone could not be demanded, or never verified.
func TestEvidenceClasses(t *testing.T) {
	types, err := fs.ReadFile(policies.FS(), "types.rego")
	if err != nil {
		t.Fatal(err)
	}
	found, err := rego.New(rego.Query("data.sallyport.evidence_classes"), rego.Module("types.rego", string(types))).Eval(t.Context())
	if err != nil || len(found) != 1 {
		t.Fatalf("types.rego has no evidence_classes: %v, %v", found, err)
	}
	var want []any
	for _, class := range sallyport.EvidenceClasses() {
		want = append(want, string(class))
	}
	if d := cmp.Diff(want, found[0].Expressions[0].Value); d != "" {
		t.Errorf("types.rego lists other classes of evidence than the gateway (-gateway +types.rego)\n%s", d)
	}
}

func TestFormat(t *testing.T) {
	names, err := fs.Glob(policies.FS(), "*.rego")
	if err != nil || len(names) == 0 {
		t.Fatalf("Glob = %v, %v", names, err)
	}
	for _, name := range names {
		have, err := fs.ReadFile(policies.FS(), name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := format.SourceWithOpts(name, have, format.Opts{RegoVersion: ast.RegoV1})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), string(have)); d != "" {
			t.Errorf("%s is not formatted (-want +got)\n%s", name, d)
		}
	}
}

// TestEverythingIsEmbedded: a file of the directory that is not embedded would be
// tested and never used.
func TestEverythingIsEmbedded(t *testing.T) {
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, ".go") || name == "README.md" {
			return err
		}
		_, err = fs.Stat(policies.FS(), filepath.ToSlash(name))
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestDevelopment(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "policy")
	if err := os.CopyFS(dir, policies.Development()); err != nil {
		t.Fatal(err)
	}
	hours, err := os.ReadFile(filepath.Join(dir, "business_hours", "data.yaml"))
	if err != nil || string(hours) != "always: true\n" {
		t.Errorf("business hours of development are %q, %v", hours, err)
	}
	want, err := fs.ReadFile(policies.FS(), "data.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "data.yaml"))
	if d := cmp.Diff(string(want), string(got)); err != nil || d != "" {
		t.Errorf("other data differ: %v (-want +got)\n%s", err, d)
	}
	if _, err := fs.Stat(policies.Development(), "business_hours/nothing.yaml"); err == nil {
		t.Error("a file that is not there is")
	}
}
