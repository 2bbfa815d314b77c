package instancetest

import (
	"bytes"
	"errors"
	"os/exec"
	"testing"
)

// Result is how a program ended.
type Result struct {
	Code   int
	Stdout string
	Stderr string
}

// Command runs one of the programs to its end, within the test's time.
func Command(tb testing.TB, name string, args ...string) Result {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), Program(tb, name), args...) //nolint:gosec // it is what is tested
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env, cmd.SysProcAttr = &out, &errs, environment(), attributes()
	if err := cmd.Run(); err != nil {
		if _, exited := errors.AsType[*exec.ExitError](err); !exited {
			tb.Fatal(err)
		}
	}
	return Result{Code: cmd.ProcessState.ExitCode(), Stdout: out.String(), Stderr: errs.String()}
}

// Arguments are those with which a program of its own finds the instance's
// state and addresses, such as sallyport-dev.
func (i *Instance) Arguments(command string) []string {
	return append([]string{command, "--dir", i.options.Dir}, i.addresses...)
}
