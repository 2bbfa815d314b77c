package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

func proveCommand() *cobra.Command {
	var r reader
	var file string
	cmd := &cobra.Command{
		Use:   "prove CALL",
		Short: "Get the ledger's proof of a call, as a file",
		Long: `Get the proof of a call from the gateway and write it to a new file. For its
agent and auditors. The proof holds without trust in the gateway: verify it with
` + "`sallyport verify`" + ` and the ledger's public key.

An auditor's proof has the contents of the call in it, with the evidence of its
votes. So only the user of this command may read the file, and a file that is
there already is never overwritten.`,
		Example: `  sallyport prove ii67cfqdxj7iwn3l26mgwug2ru --as audra
  sallyport prove ii67cfqdxj7iwn3l26mgwug2ru --file proof.json --as audra`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if file == "" {
				file = args[0] + ".proof.json"
			}
			if _, err := os.Lstat(file); err == nil {
				return fmt.Errorf("%s is there already: name a new file with --file", file)
			}
			api, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			proof, err := api.Proof(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := writeNew(file, append(proof, '\n')); err != nil {
				return err
			}
			return r.print(cmd.OutOrStdout(), map[string]string{"call": args[0], "file": file}, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "the proof of call %s is in %s\nverify it with the ledger's public key:\n  sallyport verify %s --key ledger.pub\n", cell(args[0]), file, file)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&file, "file", "", "new `file` for the proof (default CALL.proof.json)")
	r.flags(cmd)
	cmd.ValidArgsFunction = r.completes(callIDs)
	return cmd
}

// writeNew writes a file that is not there yet, for its owner alone. What can't be
// written whole is not left behind.
func writeNew(name string, content []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("the proof can't be written: %w", err)
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("the proof can't be written: %w", errors.Join(err, os.Remove(name)))
	}
	return nil
}
