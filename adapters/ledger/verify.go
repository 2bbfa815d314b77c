package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
)

// VerifyOptions say which ledger to verify, and against what.
type VerifyOptions struct {
	Database  Database       // which is only read
	Verifiers note.Verifiers // of checkpoints
	// Known are checkpoints that an auditor kept elsewhere. The log must extend
	// each of them: only this detects a database that was restored, as a whole,
	// from an older copy.
	Known [][]byte
	// SignedVote verifies the identity provider's signature on a recorded vote.
	// Nil leaves that out.
	SignedVote func(sallyport.Vote, sallyport.Ballot) error
}

// Verify recomputes a ledger from its leaves and compares all stored values
// with the result. It trusts nothing in the database but checkpoints that a
// verifier accepts, and reads one snapshot of it, even while a gateway appends.
//
// An error means that the ledger could not be verified. Treat it like a
// finding.
func Verify(ctx context.Context, o VerifyOptions) (proof.Report, error) {
	if o.Verifiers == nil {
		return proof.Report{}, errors.New("to verify a ledger takes the verifiers of its checkpoints")
	}
	db, inspector, err := o.Database.openReadOnly(ctx)
	if err != nil {
		return proof.Report{}, err
	}
	defer db.Close()
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return proof.Report{}, fmt.Errorf("the ledger's database can't be read: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // it was only read
	v := &verification{tx: tx, inspector: inspector, verifiers: o.Verifiers, signedVote: o.SignedVote, report: proof.NewReport()}
	for _, step := range []func(context.Context) error{
		v.file,
		func(ctx context.Context) error { return v.readCheckpoints(ctx, o.Known) },
		v.tree,
		v.head,
		v.calls,
		v.counters,
		v.strays,
	} {
		if err := step(ctx); err != nil {
			return v.report, fmt.Errorf("the ledger could not be verified to its end: %w", err)
		}
	}
	return v.report, nil
}

// verification is one pass over one state of a ledger.
type verification struct {
	tx         *sql.Tx
	inspector  inspector
	verifiers  note.Verifiers
	signedVote func(sallyport.Vote, sallyport.Ballot) error
	report     proof.Report
	signed     []signedTree   // by size
	edge       proof.Frontier // of the tree of the leaves so far, made from them
	covered    int64          // leaves that a checkpoint is right about
}

// each calls scan for each row of a query.
func (v *verification) each(ctx context.Context, scan func(*sql.Rows) error, text string) error {
	return each(ctx, v.tx, scan, text)
}

// file checks the database itself: pages, indexes, constraints and schema.
func (v *verification) file(ctx context.Context) error {
	lines, err := v.inspector.integrity(ctx, v.tx)
	for _, l := range lines {
		v.report.Find("database", "%s", l)
	}
	if err != nil {
		return err
	}
	differences, err := v.inspector.differences(ctx, v.tx)
	for _, d := range differences {
		v.report.Find("schema", "%s", d)
	}
	return err
}

// counters compares the counters with the calls' rows, which are compared with
// the log.
func (v *verification) counters(ctx context.Context) error {
	return v.each(ctx, func(rows *sql.Rows) error {
		var agent, name string
		var minute int64
		if err := rows.Scan(&agent, &name, &minute); err != nil {
			return err
		}
		v.report.Find(fmt.Sprintf("counter %s of agent %s at %s", name, agent, time.Unix(minute*60, 0).UTC().Format(time.RFC3339)),
			"it is not how many calls there are: sallyport-gateway ledger rebuild makes it so")
		return nil
	}, sqlMiscounted)
}

// strays finds rows beside the log that belong to no leaf.
func (v *verification) strays(ctx context.Context) error {
	for _, s := range []struct{ where, text string }{
		{"content of leaf %s", sqlStrayContents},
		{"salt of call %s", sqlStraySalts},
		{"record of call %s", sqlStrayCalls},
		{"what call %s is found by", sqlStrayTerms},
		{"record of freeze %s", sqlStrayFreezes},
	} {
		err := v.each(ctx, func(rows *sql.Rows) error {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			v.report.Find(fmt.Sprintf(s.where, id), "it belongs to no leaf")
			return nil
		}, s.text)
		if err != nil {
			return err
		}
	}
	return nil
}
