// Package clitest has the tests that every program for people passes.
package clitest

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
)

// Scripts runs the program as its users do, by the scripts in testdata/script.
func Scripts(t *testing.T, setup func(*testscript.Env) error) {
	t.Helper()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
	})
}

// HelpTeaches fails where a command does not say what it is for, or shows no
// example.
func HelpTeaches(t *testing.T, root *cobra.Command) {
	t.Helper()
	var visit func(*cobra.Command)
	visit = func(c *cobra.Command) {
		if c.Hidden {
			return
		}
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: the short help %q is no heading", c.CommandPath(), c.Short)
		}
		if !strings.Contains(c.Example, root.Name()+" ") {
			t.Errorf("%s has no example", c.CommandPath())
		}
		if !c.HasSubCommands() && len(c.Long) < 80 {
			t.Errorf("%s does not say what it does: %q", c.CommandPath(), c.Long)
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(root)
}
