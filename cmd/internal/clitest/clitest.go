// Package clitest has the tests that every program for people passes.
package clitest

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strconv"
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
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// exits runs a command that has to end with an exit code: exits CODE COMMAND...
func exits(ts *testscript.TestScript, _ bool, args []string) {
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		ended, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		code = ended.ExitCode()
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("the exit code is %d, want %s", code, args[0])
	}
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
