package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/cmd/internal/cli"
)

func publishCommand() *cobra.Command {
	var database databaseFlags
	var trust cli.Trust
	cmd := &cobra.Command{
		Use:   "publish DIR --key KEY",
		Short: "Write the log into a directory, for others to keep and verify",
		Long: `Write the log, as far as it is signed, into a directory as C2SP tlog-tiles has it:
a checkpoint, tiles of hashes, and bundles of leaves. There is nothing in it but
what leaves show. Any web server can serve the directory, and any monitor of such
logs can follow it; sallyport verify --tiles reads it too.

Run it by a timer: it goes on where it stopped. It refuses a log that does not
extend the one that the directory has. Keep the directory where no account with
write access to the ledger's database can write.`,
		Example: `  sallyport-gateway ledger publish /srv/ledger --key ledger.pub`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			verifiers, err := trust.Verifiers()
			if err != nil {
				return err
			}
			return database.archive(cmd.Context(), func(a *ledger.Archive) error {
				n, err := a.Publish(cmd.Context(), args[0], verifiers)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s has the log's %d signed leaves\n", args[0], n)
				return err
			})
		},
	}
	database.flags(cmd.Flags())
	trust.KeyFlag(cmd.Flags())
	return cmd
}
