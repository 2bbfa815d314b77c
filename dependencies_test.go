package sallyport_test

import (
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// heavy is what costs a program megabytes, or the reader of a program days: no
// package that is to stay small links any of it.
var heavy = []string{
	"database/sql", "modernc.org/", "github.com/jackc/", "github.com/pressly/goose",
	"go.temporal.io/", "google.golang.org/grpc", "k8s.io/", "github.com/open-policy-agent/",
	"github.com/sigstore/", "github.com/google/go-containerregistry", "github.com/go-git/",
	"github.com/labstack/echo", "github.com/prometheus/", "go.opentelemetry.io/",
}

// lean are the packages that stay small, with what they do not link besides.
// The table of imports says what a package imports itself; this one holds for
// all that it links.
var lean = map[string][]string{
	".":                     nil,
	"adapters/ledger/proof": {"net/http"}, // an auditor trusts it: it asks no server
	"cmd/sallyport":         nil,
}

// TestLeanPackages asks the Go tool for all that a lean package links.
func TestLeanPackages(t *testing.T) {
	for pkg, more := range lean {
		forbidden := slices.Concat(heavy, more)
		list := exec.CommandContext(t.Context(), "go", "list", "-deps", "./"+pkg)
		list.Stderr = t.Output()
		out, err := list.Output()
		if err != nil {
			t.Fatalf("go list -deps ./%s: %v", pkg, err)
		}
		linked := strings.Fields(string(out))
		if !slices.Contains(linked, path.Join(module, pkg)) {
			t.Fatalf("go list -deps ./%s does not list the package itself", pkg)
		}
		for _, dependency := range linked {
			for _, prefix := range forbidden {
				if strings.HasPrefix(dependency, prefix) {
					t.Errorf("%s links %s, and is to stay small", pkg, dependency)
				}
			}
		}
	}
}
