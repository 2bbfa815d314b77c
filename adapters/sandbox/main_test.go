//go:build linux && (amd64 || arm64)

package sandbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/sandbox"
	"github.com/sallyport/sallyport/sallyporttest/program"
	"github.com/sallyport/sallyport/tools"
)

// Environment variables of the test binary when it runs itself again.
const (
	envExecutors = "SALLYPORT_TEST_EXECUTORS" // the directory of the built executors
	envHold      = "SALLYPORT_TEST_HOLD"      // be a gateway whose tool hangs
	envCover     = "SALLYPORT_TEST_COVER"     // a directory to cover first
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(envCover); dir != "" {
		if err := cover(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if os.Getenv(envHold) != "" {
		hold()
	}
	os.Exit(withExecutors(m.Run))
}

// withExecutors builds the executors, once for all tests.
func withExecutors(run func() int) int {
	if os.Getenv(envExecutors) != "" {
		return run()
	}
	dir, err := program.Build(context.Background(), os.Stderr, "", "./testdata/executor", "../../cmd/toolexec")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := os.Setenv(envExecutors, dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return run()
}

func executor(name string) string { return filepath.Join(os.Getenv(envExecutors), name) }

// catalogue is a catalogue of manifests that no file holds.
type catalogue map[string]tools.Manifest

func (c catalogue) Manifest(name string) (tools.Manifest, bool) {
	m, ok := c[name]
	return m, ok
}

// manifest is of a tool that the misbehaving executor may be.
func manifest() tools.Manifest {
	return tools.Manifest{
		Name:   "misbehave",
		Risk:   tools.Risk{ReadOnly: true},
		Limits: tools.Limits{Timeout: 20 * time.Second, MemoryMiB: 64, Processes: 32, OutputBytes: 64 << 10},
	}
}

func newRunner(tb testing.TB, m tools.Manifest, repository sandbox.Repository) *sandbox.Runner {
	tb.Helper()
	r, err := sandbox.New(sandbox.Options{Executor: executor("executor"), Catalogue: catalogue{m.Name: m}, Repository: repository})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := r.Close(); err != nil {
			tb.Error(err)
		}
	})
	return r
}

// intent has the executor do something, with its arguments.
func intent(do string, with map[string]string) sallyport.Intent {
	arguments, err := json.Marshal(map[string]any{"do": do, "with": with})
	if err != nil {
		panic(err)
	}
	return sallyport.Intent{
		CallID:    sallyport.CallID([16]byte{1}),
		Agent:     sallyport.Agent{ID: "deploy-bot", Account: sallyport.Account{Issuer: "https://idp.test", Subject: "deploy"}, Owner: "alice"},
		Tool:      sallyport.ToolRef{Name: "misbehave"},
		Arguments: arguments,
		Action:    "scale", Resource: "deployment", Namespace: "staging", Name: "api",
		At: time.Date(2026, 11, 21, 22, 0, 0, 0, time.UTC),
	}
}

// publicDir is a directory that every user may enter.
func publicDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
