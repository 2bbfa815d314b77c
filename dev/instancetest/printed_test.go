package instancetest_test

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/dev/instancetest"
)

var printedCommand = regexp.MustCompile(`(?m)^Try:  bin/(sallyport .*)$`)

// TestPrintedCommand runs the command that an instance prints when it is ready,
// in another directory than that of its state. Then it verifies its ledger.
func TestPrintedCommand(t *testing.T) {
	t.Parallel()
	i := instancetest.Start(t, instancetest.Options{})
	printed := printedCommand.FindStringSubmatch(i.Output())
	if printed == nil {
		t.Fatalf("no command is printed: %s", i.Output())
	}
	program := instancetest.Program(t, "sallyport")
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", strings.Replace(printed[1], "sallyport", program, 1))
	cmd.Dir = t.TempDir()
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "succeeded") {
		t.Errorf("%s: %v\n%s", printed[1], err, out)
	}
	cmd = exec.CommandContext(t.Context(), program+"-gateway", "ledger", "verify", "--dev-dir", i.Path(""))
	cmd.Dir = t.TempDir()
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "nothing was changed") {
		t.Errorf("ledger verify --dev-dir: %v\n%s", err, out)
	}
}
