package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/cmd/internal/cli"
)

func verifyCommand() *cobra.Command {
	var trust cli.Trust
	var database databaseFlags
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Verify the ledger in its database",
		Long: `Read the ledger's database and check everything in it against everything else:
every leaf against the tree, the tree against every signed checkpoint, every
call's entries against their numbering and against what is kept of them, and
every vote that an identity provider signed against the key it had then.

Only the public key is needed, in the signed-note form name+hash+base64, as text
or as a file. What verification can't see is a ledger that was replaced as a
whole together with its key: keep checkpoints elsewhere and compare. It can't see
either which identity provider owns the stored keys of votes: that the provider
signed them is proven with the keys that it published, given with --people-keys.
--people-issuer alone compares a name.

A proof, and a log that is published, need no database: ` + "`sallyport verify`" + ` checks
them.

The exit code is 0 when nothing was changed, 1 when something was, and 2 when the
ledger could not be verified to its end.`,
		Example: `  sallyport-gateway ledger verify
  sallyport-gateway ledger verify --ledger /var/lib/sallyport/ledger.db --key /etc/sallyport/ledger.pub --people-keys jwks.json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("this verifies a database; the proof %s is verified by sallyport verify %s", args[0], args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := verifyOptions(database, &trust)
			if err != nil {
				return err
			}
			report, err := ledger.Verify(cmd.Context(), o)
			if err != nil {
				return err
			}
			return trust.ShowReport(cmd.OutOrStdout(), report)
		},
	}
	database.flags(cmd.Flags())
	trust.Flags(cmd.Flags())
	return cli.Looks(cmd)
}

func verifyOptions(d databaseFlags, trust *cli.Trust) (o ledger.VerifyOptions, err error) {
	if o.Database, err = d.database(); err != nil {
		return o, err
	}
	if o.Verifiers, err = trust.Verifiers(); err != nil {
		return o, err
	}
	if o.Known, err = trust.Known(); err != nil {
		return o, err
	}
	votes, err := trust.Votes()
	if err != nil {
		return o, err
	}
	o.SignedVote = votes.Verify
	return o, nil
}
