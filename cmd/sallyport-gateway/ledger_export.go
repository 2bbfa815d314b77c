package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/adapters/ledger"
)

func exportCommand() *cobra.Command {
	var database databaseFlags
	var from int64
	var closed bool
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the log as JSON Lines",
		Long: `Write the log in its order, a leaf on each line: index is its place in the log, hash
its hash in the tree, leaf the leaf, and entry what it commits to, unless that was
erased. With --closed there are no entries, and nothing personal.

To extend a copy, pass --from with the index after its last leaf.`,
		Example: `  sallyport-gateway ledger export > ledger.jsonl
  sallyport-gateway ledger export --closed --from 120000 | gzip > more.jsonl.gz`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			lines := json.NewEncoder(cmd.OutOrStdout())
			lines.SetEscapeHTML(false)
			return database.archive(cmd.Context(), func(a *ledger.Archive) error {
				return a.Export(cmd.Context(), from, !closed, func(l ledger.ExportedLeaf) error { return lines.Encode(l) })
			})
		},
	}
	database.flags(cmd.Flags())
	cmd.Flags().Int64Var(&from, "from", 0, "`index` of the first leaf")
	cmd.Flags().BoolVar(&closed, "closed", false, "leave out what the leaves commit to")
	return cmd
}

func rebuildCommand() *cobra.Command {
	var database databaseFlags
	cmd := &cobra.Command{
		Use:   "rebuild",
		Short: "Rebuild the tables that searches and responses read",
		Long: `Rebuild the ledger's projection from the log and its entries: the records of calls,
their search terms, and the freezes. The log stays as it is.

It is needed after an upgrade that says so, or where sallyport-gateway ledger verify finds
records that are not what their entries add up to. On PostgreSQL it takes the
database's owner. API and worker wait with new entries until it is done.`,
		Example: `  sallyport-gateway ledger rebuild
  sallyport-gateway ledger rebuild --dsn-file owner.dsn`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := database.database()
			if err != nil {
				return err
			}
			n, err := ledger.Rebuild(cmd.Context(), d)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "the records of %d calls and freezes were made anew; check the ledger with sallyport-gateway ledger verify\n", n)
			return err
		},
	}
	database.flags(cmd.Flags())
	return cmd
}
