package clitest

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write the command's reference page") //nolint:gochecknoglobals // flags of tests are global

// Reference holds the program's page in docs/reference to its commands.
func Reference(t *testing.T, command func() *cobra.Command) {
	t.Helper()
	for _, name := range []string{"SALLYPORT_SERVER", "SALLYPORT_TOKEN_FILE", "SALLYPORT_ISSUER"} {
		t.Setenv(name, "") // they would show as defaults
	}
	root := command()
	page := filepath.Join("..", "..", "docs", "reference", "cli-"+root.Name()+".md")
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n%s.\n\nThis page is made from the program's own help: `--help` of a command prints the same.\n", root.Name(), root.Short)
	describe(&b, root)
	if *update {
		if err := os.WriteFile(page, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("%s is not what the program's help says (-page +help); write it anew with: go test ./cmd/%s -run TestReference -update\n%s", page, root.Name(), d)
	}
}

// describe writes what a command and those below it are for.
func describe(b *bytes.Buffer, c *cobra.Command) {
	for _, sub := range c.Commands() {
		if sub.Hidden || sub.Name() == "help" || sub.Name() == "completion" {
			continue
		}
		if sub.HasSubCommands() && !sub.HasLocalFlags() && sub.Long == "" { // a group
			describe(b, sub)
			continue
		}
		fmt.Fprintf(b, "\n## %s\n\n%s.\n\n```text\n%s\n```\n\n%s\n", sub.CommandPath(), sub.Short, sub.UseLine(), strings.TrimSpace(sub.Long))
		if flags := sub.NonInheritedFlags(); flags.HasAvailableFlags() {
			fmt.Fprintf(b, "\n```text\n%s```\n", flags.FlagUsages())
		}
		if sub.Example != "" {
			fmt.Fprintf(b, "\nExample:\n\n```sh\n%s\n```\n", dedent(sub.Example))
		}
		describe(b, sub)
	}
}

// dedent takes the two spaces away with which the help shows examples.
func dedent(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	return strings.Join(lines, "\n")
}
