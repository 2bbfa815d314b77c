package main

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
	"github.com/sallyport/sallyport/strict"
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
they are proven against. An auditor verifies it with the ledger's public key alone,
without the ledger and without trust in the file's author: sallyport verify FILE.

The file also holds what the leaves commit to, with the salt that opens the
commitments: arguments, plans, results, who agreed and by what evidence. With
--closed it does not, and still proves what the leaves show.

Of a call that has not ended, the file proves its leaves and not that these are all:
that takes the ledger's key. The file that the API gives, GET /v1/calls/{id}/proof,
has the log's signed word on how many leaves there are.`,
		Example: `  sallyport-gateway ledger prove ii67cfqdxj7iwn3l26mgwug2ru --out proof.json
  sallyport verify proof.json --key ledger.pub`,
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
			return strict.WritePrivate(out, b)
		},
	}
	f := cmd.Flags()
	database.flags(f)
	f.StringVar(&out, "out", "", "`file` to write instead of standard output; for its owner alone")
	f.BoolVar(&closed, "closed", false, "leave out what the leaves commit to")
	return cmd
}
