package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/adapters/jws"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
)

func proveCommand() *cobra.Command {
	var database databaseFlags
	var out string
	var closed bool
	cmd := &cobra.Command{
		Use:   "prove ID",
		Short: "Write what the ledger says of a call, with proofs",
		Long: `Write one file with all that the ledger says of a call, or of a freeze: its
leaves, a proof for each that it is in the log, and the signed checkpoint that
they are proven against. Anybody with the ledger's public key verifies it, without
the ledger and without trusting whoever wrote it: sallyport ledger verify FILE.

The file also holds what the leaves commit to, with the salt that opens the
commitments: arguments, plans, results, who agreed and by what evidence. With
--closed it does not, and still proves what the leaves show.`,
		Example: `  sallyport ledger prove ii67cfqdxj7iwn3l26mgwug2ru --out proof.json
  sallyport ledger verify proof.json --key ledger.pub`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var made proof.File
			err := database.archive(cmd.Context(), func(a *ledger.Archive) (err error) {
				made, err = a.Prove(cmd.Context(), args[0], !closed)
				return err
			})
			if err != nil {
				return err
			}
			b, err := json.MarshalIndent(made, "", "  ")
			if err != nil {
				return err
			}
			b = append(b, '\n')
			if out == "" {
				_, err = cmd.OutOrStdout().Write(b)
				return err
			}
			return os.WriteFile(out, b, 0o600)
		},
	}
	f := cmd.Flags()
	database.flags(f)
	f.StringVar(&out, "out", "", "`file` to write instead of standard output; for its owner alone")
	f.BoolVar(&closed, "closed", false, "leave out what the leaves commit to")
	return cmd
}

// file verifies a proof.
func (v *verifying) file(w io.Writer, name string) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("the proof can't be read: %w", err)
	}
	o, err := v.proofOptions()
	if err != nil {
		return err
	}
	r, err := proof.Verify(data, o)
	if err != nil {
		fmt.Fprintf(w, "NOT PROVEN: %v\n", err)
		return exitCode(1)
	}
	fmt.Fprintf(w, "Of %s it proves that\n", r.Call)
	for _, p := range r.Proves {
		fmt.Fprintln(w, "  "+p)
	}
	fmt.Fprintln(w, "It does not prove")
	for _, n := range r.Not {
		fmt.Fprintln(w, "  "+n)
	}
	return nil
}

func (v *verifying) proofOptions() (proof.Options, error) {
	var o proof.Options
	var err error
	if o.Verifiers, err = v.verifiers(); err != nil {
		return o, err
	}
	if err := v.readPeople(); err != nil {
		return o, err
	}
	o.SignedVote = v.voters.Verify
	if v.api == "" {
		return o, nil
	}
	keys, err := jws.LoadPublicKeys(v.api)
	if err != nil {
		return o, fmt.Errorf("the API's keys: %w", err)
	}
	verifier, err := jws.NewVerifier(keys...)
	if err != nil {
		return o, err
	}
	o.SignedCall, o.Attestation = verifier.VerifyCall, verifier.VerifyAttestation
	return o, nil
}
