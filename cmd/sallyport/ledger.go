package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
	"github.com/sallyport/sallyport/adapters/oidc"
	"github.com/sallyport/sallyport/gateway"
)

func ledgerCommand() *cobra.Command {
	return group("ledger", "Work with the log of all calls", "  sallyport ledger verify", verifyCommand(), proveCommand(), gapsCommand(), exportCommand(), publishCommand(),
		eraseCommand(), rebuildCommand(), migrateCommand(), newKeyCommand())
}

// databaseFlags say where a ledger is.
type databaseFlags struct{ path, dsnFile string }

func (d *databaseFlags) flags(f *pflag.FlagSet) {
	f.StringVar(&d.path, "ledger", ".sallyport/ledger.db", "the ledger's SQLite database `file`")
	f.StringVar(&d.dsnFile, "dsn-file", "", "or a `file` with the address of its PostgreSQL database")
}

func (d databaseFlags) database() (ledger.Database, error) {
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

With --grant, a role that exists already gets what API and worker need: it may
add to the log and change what is derived from it, and can neither change nor
delete what was written. Give the gateway that role, and nobody the owner's. With
--grant-eraser, another role gets what sallyport ledger erase needs, and no more.

A ledger in SQLite needs no such step.`,
		Example: `  sallyport ledger migrate --dsn-file owner.dsn --grant sallyport`,
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
	cmd.Flags().StringVar(&roles.Eraser, "grant-eraser", "", "`role` of who erases")
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
the public half, with which anybody verifies the ledger. A file that is there
already stays as it is: a ledger has one key.

NAME is the log's name, a URL without its scheme, such as
sallyport.example.com/ledger. It stands in every checkpoint.`,
		Example: `  sallyport ledger new-key sallyport.example.com/ledger --out ledger.key > ledger.pub`,
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

func verifyCommand() *cobra.Command {
	var v verifying
	cmd := &cobra.Command{
		Use:   "verify [FILE] --key KEY",
		Short: "Check that nobody changed the ledger, or what a proof proves",
		Long: `With FILE, check a proof that ` + "`sallyport ledger prove`" + ` or the API made, and say in
words what it proves and what it does not. Nothing but public keys is needed.

With --tiles, read a log that is published and check that its leaves are the tree
that was signed, and that no call lacks one.

Without, read the ledger's database and check everything in it against everything else:
every leaf against the tree, the tree against every signed checkpoint, every
call's entries against their numbering and against what is kept of them, and
every vote that an identity provider signed against the key it had then.

Only the public key is needed, in the signed-note form name+hash+base64, as text
or as a file. What verification can't see is a ledger that was replaced as a
whole together with its key: keep checkpoints elsewhere and compare. Nor can it
see whose the keys of votes are that were kept: say which identity provider's
they must be with --people-issuer, and which it published with --people-keys.

The exit code is 0 when nothing was changed, and 1 when something was or the
ledger could not be verified.`,
		Example: `  sallyport ledger verify
  sallyport ledger verify proof.json --key ledger.pub --api-keys api.pub
  sallyport ledger verify --tiles https://sallyport.example.com/ledger --key ledger.pub --from last-month.checkpoint
  sallyport ledger verify --ledger /var/lib/sallyport/ledger.db --key /etc/sallyport/ledger.pub --people-keys jwks.json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 1:
				return v.file(cmd.OutOrStdout(), args[0])
			case v.tiles != "":
				return v.published(cmd.Context(), cmd.OutOrStdout())
			}
			o, err := v.options()
			if err != nil {
				return err
			}
			report, err := ledger.Verify(cmd.Context(), o)
			if err != nil {
				return err
			}
			return showReport(cmd.OutOrStdout(), report)
		},
	}
	f := cmd.Flags()
	v.database.flags(f)
	f.StringArrayVar(&v.kept, "from", nil, "`file` with a checkpoint that was kept elsewhere, which the log must extend; may be repeated")
	v.keyFlag(f)
	f.StringVar(&v.tiles, "tiles", "", "`directory or URL` where the log is published, to be verified instead of a database")
	f.StringVar(&v.tokenFile, "token-file", "", "`file` with the token of an auditor, where --tiles is a gateway's /ledger")
	f.StringVar(&v.voters.Issuer, "people-issuer", "", "`URL` of the identity provider that signs votes")
	f.StringVar(&v.voters.Audience, "vote-audience", approveClient, "audience of ID tokens that are votes, as the identity table has it")
	f.StringVar(&v.api, "api-keys", "", "`file` with the API's public keys (PEM), with which a proof's call and votes are checked too")
	f.StringVar(&v.people, "people-keys", "", "`file` with the keys (JWKS) that the identity provider of people published")
	return cmd
}

// verifying is what the flags of verify say.
type verifying struct {
	database   databaseFlags
	keys, kept []string
	people     string // file of keys
	api        string // the same
	voters     oidc.Kept
	tiles      string // where the log is published
	tokenFile  string
}

func (v *verifying) keyFlag(f *pflag.FlagSet) {
	f.StringArrayVar(&v.keys, "key", []string{".sallyport/ledger.pub"}, "public `key`, or a file that holds one; may be repeated")
}

// known are the checkpoints that were kept elsewhere.
func (v *verifying) known() (all [][]byte, err error) {
	for _, file := range v.kept {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("the checkpoint can't be read: %w", err)
		}
		all = append(all, b)
	}
	return all, nil
}

func (v *verifying) options() (ledger.VerifyOptions, error) {
	var o ledger.VerifyOptions
	var err error
	if o.Database, err = v.database.database(); err != nil {
		return o, err
	}
	if o.Verifiers, err = v.verifiers(); err != nil {
		return o, err
	}
	if o.Known, err = v.known(); err != nil {
		return o, err
	}
	if err := v.readPeople(); err != nil {
		return o, err
	}
	o.SignedVote = v.voters.Verify
	return o, nil
}

// verifiers are those of checkpoints.
func (v *verifying) verifiers() (note.Verifiers, error) {
	keys := make([]string, len(v.keys))
	for i, k := range v.keys {
		keys[i] = k
		if b, err := os.ReadFile(k); err == nil {
			keys[i] = string(b)
		}
	}
	return proof.Verifiers(keys...)
}

// readPeople reads the keys of the identity provider of people, if there is a
// file of them.
func (v *verifying) readPeople() error {
	if v.people == "" {
		return nil
	}
	b, err := os.ReadFile(v.people)
	if err != nil {
		return fmt.Errorf("the identity provider's keys can't be read: %w", err)
	}
	if v.voters.Keys, err = oidc.ParseKeys(b); err != nil {
		return fmt.Errorf("%s: %w", v.people, err)
	}
	return nil
}

func showReport(w io.Writer, r proof.Report) error {
	fmt.Fprintf(w, "%d leaves of %d calls, %d signed checkpoints\nroot hash %s\n", r.Leaves, r.Calls, r.Checkpoints, r.Root)
	if r.SignedVotes > 0 {
		fmt.Fprintf(w, "%d votes carry the identity provider's signature\n", r.SignedVotes)
	}
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
