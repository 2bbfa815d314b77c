package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/cmd/internal/cli"
	"github.com/sallyport/sallyport/gateway"
)

func ledgerCommand() *cobra.Command {
	return cli.Group("ledger", "Work with the log of all calls", "  sallyport-gateway ledger verify", verifyCommand(), proveCommand(), gapsCommand(), exportCommand(), publishCommand(),
		eraseCommand(), rebuildCommand(), migrateCommand(), newKeyCommand())
}

// databaseFlags say where a ledger is.
type databaseFlags struct {
	path, dsnFile string
	set           *pflag.FlagSet // nil where they come from a configuration
}

func (d *databaseFlags) flags(f *pflag.FlagSet) {
	d.set = f
	cli.DevFlag(f)
	f.StringVar(&d.path, "ledger", "", "the ledger's SQLite database `file` (default ledger.db of the development instance)")
	f.StringVar(&d.dsnFile, "dsn-file", "", "or a `file` with the address of its PostgreSQL database")
}

func (d databaseFlags) database() (ledger.Database, error) {
	if d.path == "" && d.dsnFile == "" && d.set != nil {
		d.path = cli.InDev(d.set, "ledger.db")
	}
	return gateway.LedgerConfig{Path: d.path, DSNFile: d.dsnFile}.Database()
}

// archive opens the ledger to read it.
func (d databaseFlags) archive(ctx context.Context, use func(*ledger.Archive) error) error {
	at, err := d.database()
	if err != nil {
		return err
	}
	a, err := ledger.OpenArchive(ctx, at)
	if err != nil {
		return err
	}
	return errors.Join(use(a), a.Close())
}

func migrateCommand() *cobra.Command {
	var dsnFile string
	var roles ledger.Roles
	cmd := &cobra.Command{
		Use:   "migrate --dsn-file FILE [--grant ROLE] [--grant-eraser ROLE]",
		Short: "Make the ledger's schema in PostgreSQL, or bring it to this version",
		Long: `Create the tables of a ledger in a PostgreSQL database, or bring those of an
earlier version to this one. It has to be done as the database's owner, before a
gateway of this version starts.

With --grant, an existing role gets the permissions of API and worker: it appends
to the log and updates the tables derived from it, and can neither change nor
delete entries, but for the contents of calls whose erasure was asked for. Give the
gateway that role, and never the owner's. With --grant-eraser, another role gets the
permission to ask for erasures, which sallyport-gateway ledger erase does, and no
other.

A ledger in SQLite needs no such step.`,
		Example: `  sallyport-gateway ledger migrate --dsn-file owner.dsn --grant sallyport`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := databaseFlags{dsnFile: dsnFile}.database()
			if err != nil {
				return err
			}
			if err := ledger.Migrate(cmd.Context(), d.DSN, roles); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "the ledger's schema is that of this version")
			return err
		},
	}
	cmd.Flags().StringVar(&dsnFile, "dsn-file", "", "`file` with the database's address, as its owner")
	cmd.Flags().StringVar(&roles.Gateway, "grant", "", "`role` of the gateway")
	cmd.Flags().StringVar(&roles.Eraser, "grant-eraser", "", "`role` for sallyport-gateway ledger erase")
	if err := cmd.MarkFlagRequired("dsn-file"); err != nil {
		panic(err) // it is defined above
	}
	return cmd
}

func newKeyCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "new-key NAME",
		Short: "Make the key that signs the ledger's checkpoints",
		Long: `Draw an Ed25519 key, write it to a file that only its owner can read, and print
the public key, with which auditors verify the ledger. An existing file stays as
it is: a ledger has one key.

NAME is the log's name, a URL without its scheme, such as
sallyport.example.com/ledger. It stands in every checkpoint.`,
		Example: `  sallyport-gateway ledger new-key sallyport.example.com/ledger --out ledger.key > ledger.pub`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := ledger.CreateKey(file, args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), key.Public)
			return err
		},
	}
	cmd.Flags().StringVar(&file, "out", "ledger.key", "`file` for the private key")
	return cmd
}
