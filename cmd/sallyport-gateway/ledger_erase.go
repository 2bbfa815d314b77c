package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/user"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/gateway"
)

// erasure is what the flags of erase say.
type erasure struct {
	database   databaseFlags
	config     string
	by, reason string
	expired    bool
}

func eraseCommand() *cobra.Command {
	var e erasure
	cmd := &cobra.Command{
		Use:   "erase {ID... --reason TEXT | --expired --config FILE}",
		Short: "Erase what calls were about, and leave a leaf that says so",
		Long: `Erase the contents of calls that have ended: arguments, reasons, plans, results,
who voted and by what evidence, and what a search finds them by. Their leaves stay,
and the log and all proofs of it verify. The call gets a new random salt, so that an
attacker can't guess what its leaves commit to. A leaf says who erased it, and why.

It can't be undone. Backups of the database hold what they held: let them expire.

With --expired, the calls are those that ended longer ago than the configuration's
ledger.retention says; run it by a timer.

On SQLite the command erases itself. On PostgreSQL it asks a gateway that runs to
erase, and waits up to 30 seconds; a request that no gateway has taken by then stays
until one does. Asking takes a role of its own, which may do nothing else:
sallyport-gateway ledger migrate --grant-eraser ROLE. The leaf names that role: the
database says which one asked, and --by is refused.`,
		Example: `  sallyport-gateway ledger erase ii67cfqdxj7iwn3l26mgwug2ru --reason "asked for by its subject"
  sallyport-gateway ledger erase --expired --config sallyport.yaml --dsn-file eraser.dsn`,
		RunE: func(cmd *cobra.Command, ids []string) error {
			before, err := e.prepare(cmd, len(ids))
			if err != nil {
				return err
			}
			d, err := e.database.database()
			if err != nil {
				return err
			}
			eraser, err := ledger.OpenEraser(cmd.Context(), d)
			if err != nil {
				return err
			}
			if eraser.Asks() && cmd.Flags().Changed("by") {
				err = errors.New("--by is for SQLite: PostgreSQL says which role asks for an erasure; leave it out, or name the person in --reason")
			}
			if err == nil && e.expired {
				ids, err = eraser.Expired(cmd.Context(), before)
			}
			if err == nil {
				err = e.erase(cmd, eraser, ids)
			}
			return errors.Join(err, eraser.Close())
		},
	}
	f := cmd.Flags()
	e.database.flags(f)
	f.StringVarP(&e.config, "config", "c", "", "configuration `file` of the gateway, with ledger.retention and where the ledger is")
	f.StringVar(&e.reason, "reason", "", "why; it stands in the ledger")
	f.StringVar(&e.by, "by", "", "on SQLite, who wants it; without, the user that this runs as")
	f.BoolVar(&e.expired, "expired", false, "erase all that is older than ledger.retention")
	return cmd
}

// prepare completes what the flags say, and returns until when calls must have
// ended that are expired.
func (e *erasure) prepare(cmd *cobra.Command, ids int) (before time.Time, err error) {
	if e.expired == (ids > 0) {
		return before, errors.New("say which calls to erase, by their ids, or --expired")
	}
	if e.by == "" {
		if u, err := user.Current(); err == nil {
			e.by = u.Username
		}
	}
	if !e.expired {
		if e.reason == "" {
			return before, errors.New("say why, with --reason: it stands in the ledger")
		}
		return before, nil
	}
	if e.config == "" {
		return before, errors.New("--expired needs --config: how long contents are kept is said in ledger.retention")
	}
	c, err := gateway.Load(e.config)
	if err != nil {
		return before, err
	}
	kept := c.Ledger.Retention
	if kept <= 0 {
		return before, fmt.Errorf("%s has no ledger.retention: contents are kept for good", e.config)
	}
	if f := cmd.Flags(); !f.Changed("ledger") && !f.Changed("dsn-file") {
		e.database = databaseFlags{path: c.Ledger.Path, dsnFile: c.Ledger.DSNFile}
	}
	e.reason = cmp.Or(e.reason, fmt.Sprintf("older than %s", kept))
	return time.Now().Add(-kept), nil
}

// eraseWait is how long to wait for a gateway that was asked to erase.
const eraseWait = 30 * time.Second

func (e *erasure) erase(cmd *cobra.Command, eraser *ledger.Eraser, ids []string) error {
	out := cmd.OutOrStdout()
	done := 0
	var errs []error
	ctx := cmd.Context()
	if eraser.Asks() {
		for _, id := range ids { // all at once: what is refused is refused again below
			if err := eraser.Request(ctx, id, e.reason); sallyport.KindOf(err) == sallyport.Unavailable {
				return err
			}
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, eraseWait)
		defer cancel()
	}
	for _, id := range ids {
		r, err := eraser.Erase(ctx, id, sallyport.Erasure{By: e.by, Reason: e.reason}, time.Now().UTC())
		if err != nil {
			errs = append(errs, err)
			if sallyport.KindOf(err) == sallyport.Unavailable {
				break
			}
			continue
		}
		done++
		fmt.Fprintf(out, "call %s is erased, as leaf %d says\n", id, r.Index)
	}
	if done > 0 {
		errs = append(errs, purge(cmd, out, eraser))
	} else if len(ids) == 0 {
		fmt.Fprintln(out, "there is nothing to erase")
	}
	return errors.Join(errs...)
}

func purge(cmd *cobra.Command, out io.Writer, eraser *ledger.Eraser) error {
	rest, err := eraser.Purge(cmd.Context())
	if rest != "" {
		fmt.Fprintln(out, rest)
	}
	return err
}
