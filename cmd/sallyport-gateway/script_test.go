package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sallyport/sallyport/cmd/internal/clitest"
	"github.com/sallyport/sallyport/policies"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sallyport-gateway": main})
}

// TestScripts runs the program as far as that takes no Temporal server. What takes
// one is in dev/instancetest.
func TestScripts(t *testing.T) {
	clitest.Scripts(t, func(env *testscript.Env) error {
		return os.CopyFS(filepath.Join(env.WorkDir, "policies"), policies.FS())
	})
}

func TestHelpTeaches(t *testing.T) { clitest.HelpTeaches(t, command()) }

func TestReference(t *testing.T) { clitest.Reference(t, command) }
