package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/ledger"
)

func ledgerCommand() *cobra.Command {
	return group("ledger", "Work with the log of all calls", "  sallyport ledger verify", verifyCommand())
}

func verifyCommand() *cobra.Command {
	var path string
	var keys, kept []string
	cmd := &cobra.Command{
		Use:   "verify --ledger FILE --key KEY",
		Short: "Check that nobody changed the ledger",
		Long: `Read the ledger's database and check everything in it against everything else:
every leaf against the tree, the tree against every signed checkpoint, every
call's entries against their numbering and against what is kept of them.

Only the public key is needed, in the signed-note form name+hash+base64, as text
or as a file. What verification can't see is a ledger that was replaced as a
whole together with its key: keep checkpoints elsewhere and compare.

The exit code is 0 when nothing was changed, and 1 when something was or the
ledger could not be verified.`,
		Example: `  sallyport ledger verify
  sallyport ledger verify --ledger /var/lib/sallyport/ledger.db --key /etc/sallyport/ledger.pub`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for i, k := range keys {
				if b, err := os.ReadFile(k); err == nil {
					keys[i] = string(b)
				}
			}
			verifiers, err := ledger.Verifiers(keys...)
			if err != nil {
				return err
			}
			var known [][]byte
			for _, file := range kept {
				b, err := os.ReadFile(file)
				if err != nil {
					return fmt.Errorf("the checkpoint can't be read: %w", err)
				}
				known = append(known, b)
			}
			report, err := ledger.Verify(cmd.Context(), ledger.VerifyOptions{Path: path, Verifiers: verifiers, Known: known})
			if err != nil {
				return err
			}
			return showReport(cmd.OutOrStdout(), report)
		},
	}
	f := cmd.Flags()
	f.StringVar(&path, "ledger", ".sallyport/ledger.db", "the ledger's database `file`")
	f.StringArrayVar(&kept, "checkpoint", nil, "`file` with a checkpoint that was kept elsewhere, which the log must extend; may be repeated")
	f.StringArrayVar(&keys, "key", []string{".sallyport/ledger.pub"}, "public `key`, or a file that holds one; may be repeated")
	return cmd
}

func showReport(w io.Writer, r ledger.Report) error {
	fmt.Fprintf(w, "%d leaves of %d calls, %d signed checkpoints\nroot hash %s\n", r.Leaves, r.Calls, r.Checkpoints, r.Root)
	if r.Unsigned > 0 {
		fmt.Fprintf(w, "the last %d leaves are not signed yet; the running gateway does so within moments\n", r.Unsigned)
	}
	for _, id := range r.Unfinished {
		fmt.Fprintf(w, "call %s started and has no outcome yet\n", id)
	}
	for _, id := range r.Erased {
		fmt.Fprintf(w, "call %s was erased: its leaves stand, its contents are gone\n", id)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(w, "CHANGED: %s\n", f)
	}
	if !r.OK() {
		fmt.Fprintf(w, "the ledger is not as it was written: %d findings\n", len(r.Findings)+r.Suppressed)
		return exitCode(1)
	}
	_, err := fmt.Fprintln(w, "nothing was changed, and nothing is missing between the first leaf and the last")
	return err
}
