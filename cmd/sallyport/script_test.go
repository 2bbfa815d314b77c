package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/policies"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sallyport": main})
}

// TestScripts runs the program as its users do, as far as that takes no
// gateway. What takes one is in dev/instancetest.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			return os.CopyFS(filepath.Join(env.WorkDir, "policies"), policies.FS())
		},
	})
}

// TestHelpTeaches: every command says what it is for, and shows it.
func TestHelpTeaches(t *testing.T) {
	var visit func(*cobra.Command)
	visit = func(c *cobra.Command) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: the short help %q is no heading", c.CommandPath(), c.Short)
		}
		if !strings.Contains(c.Example, "sallyport ") {
			t.Errorf("%s has no example", c.CommandPath())
		}
		if !c.HasSubCommands() && len(c.Long) < 80 {
			t.Errorf("%s does not say what it does: %q", c.CommandPath(), c.Long)
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(command())
}
