//go:build openapi

package openapitest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sallyport/sallyport/dev/instancetest"
)

// document is the API's, from here.
const document = "../../api/openapi.yaml"

// run runs a program and returns what it prints.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "REDOCLY_TELEMETRY=off", "REDOCLY_SUPPRESS_UPDATE_NOTICE=true", "HOME="+t.TempDir(), "NO_COLOR=1",
		"GOCACHE="+goEnv(t, "GOCACHE"), "GOMODCACHE="+goEnv(t, "GOMODCACHE"), "GOFLAGS=", "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out[:len(out)-1])
}

// node runs a program of node_modules with the Node that package.json names.
func node(t *testing.T, dir, script string, args ...string) string {
	t.Helper()
	return run(t, dir, absolute(t, "node_modules/node/bin/node"), append([]string{absolute(t, script)}, args...)...)
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestLint: a finding of either linter fails it, a warning of spectral too.
func TestLint(t *testing.T) {
	node(t, ".", "node_modules/@redocly/cli/bin/cli.js", "lint", document)
	node(t, ".", "node_modules/@stoplight/spectral-cli/dist/index.js", "lint", "--ruleset=testdata/spectral.yaml", "--fail-severity=warn", document)
}

// TestClients generates a client in Go and one in TypeScript, and lets both do the
// same with an instance.
func TestClients(t *testing.T) {
	i := instancetest.Start(t, instancetest.Options{})
	const want = "tools: true\ncall: succeeded\nthe same: true\ndecision: deny replica_cap\nproblem: no_call\n"
	for language, client := range map[string]func(t *testing.T, dir string, args ...string) string{"Go": goClient, "TypeScript": typeScriptClient} {
		t.Run(language, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS("testdata/client")); err != nil {
				t.Fatal(err)
			}
			if got := client(t, dir, i.Info().API, i.Token(t, "deploy-bot")); got != want {
				t.Errorf("it says\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func goClient(t *testing.T, dir string, args ...string) string {
	t.Helper()
	root, mod := absolute(t, "../.."), "-modfile="+absolute(t, "../../.ci/openapi.mod")
	generated := filepath.Join(dir, "gateway.go")
	run(t, root, "go", "tool", mod, "oapi-codegen", "-generate", "types,client", "-package", "main", "-o", generated, absolute(t, document))
	return run(t, root, "go", append([]string{"run", mod, filepath.Join(dir, "main.go"), generated}, args...)...)
}

func typeScriptClient(t *testing.T, dir string, args ...string) string {
	t.Helper()
	if err := os.Symlink(absolute(t, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	node(t, dir, "node_modules/openapi-typescript/bin/cli.js", absolute(t, document), "-o", "gateway.d.ts")
	node(t, dir, "node_modules/typescript/bin/tsc", "--noEmit", "--strict", "--target", "es2022", "--module", "nodenext",
		"--allowImportingTsExtensions", "--skipLibCheck", "client.ts")
	return node(t, dir, filepath.Join(dir, "client.ts"), args...)
}
