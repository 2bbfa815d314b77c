package docs_test

import (
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/oidc"
	"github.com/sallyport/sallyport/adapters/opa"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/policies"
	"github.com/sallyport/sallyport/tools"
)

// TestExamples loads what the documentation shows as the gateway would.
func TestExamples(t *testing.T) {
	loaders := map[string]func(*testing.T, string) error{
		"config": func(t *testing.T, text string) error {
			_, err := gateway.Load(write(t, "sallyport.yaml", text))
			return err
		},
		"identities": func(t *testing.T, text string) error {
			_, err := oidc.New(t.Context(), oidc.Options{
				Table: write(t, "identities.yaml", text), Client: http.DefaultClient, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
			})
			return err
		},
		"manifest": func(_ *testing.T, text string) error {
			_, err := tools.Load(tools.Embedded(), fstest.MapFS{"example.yaml": {Data: []byte(text)}})
			return err
		},
		"rule": func(t *testing.T, text string) error {
			dir := t.TempDir()
			if err := os.CopyFS(dir, policies.FS()); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, "example.rego"), []byte(text), 0o600); err != nil {
				return err
			}
			_, err := opa.New(t.Context(), opa.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
			return err
		},
	}
	seen := map[string]bool{}
	for _, d := range documents(t) {
		for _, b := range d.blocks {
			load, ok := loaders[b.check]
			if !ok {
				if b.check != "" {
					t.Errorf("%s:%d: there is no check named %s", d.name, b.line, b.check)
				}
				continue
			}
			seen[b.check] = true
			t.Run(b.check, func(t *testing.T) {
				if err := load(t, b.text); err != nil {
					t.Errorf("%s:%d: %v", d.name, b.line, err)
				}
			})
		}
	}
	for kind := range loaders {
		if !seen[kind] {
			t.Errorf("the documentation has no example of a %s any more", kind)
		}
	}
}

// TestEvidenceClassesAreExplained: approvers and authors of policies find each
// class on the page that says what a vote is verified from.
func TestEvidenceClassesAreExplained(t *testing.T) {
	const page = "docs/concepts/architecture.md"
	for _, class := range sallyport.EvidenceClasses() {
		if !strings.Contains(read(t, page), "`"+string(class)+"`") {
			t.Errorf("%s does not explain the evidence class %s", page, class)
		}
	}
}

// TestCallIDs: an example whose id no call can have misleads its reader.
func TestCallIDs(t *testing.T) {
	id := regexp.MustCompile(`\b[a-z0-9]{26}\b`)
	for _, d := range documents(t) {
		for _, m := range id.FindAllString(read(t, d.name), -1) {
			if !sallyport.ValidCallID(m) {
				t.Errorf("%s: %s is not the id of a call: want 26 characters of a-z and 2-7", d.name, m)
			}
		}
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
