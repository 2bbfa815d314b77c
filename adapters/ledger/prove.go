package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
)

// Prove proves a call's leaves, with or without the contents that they commit
// to. It waits for a checkpoint that covers them. It returns an error of kind
// [sallyport.NotFound] for an unknown call, and one of kind
// [sallyport.Unavailable] when no process signs the log in time.
func (a *Archive) Prove(ctx context.Context, id string, contents bool) (proof.File, error) {
	ctx, cancel := context.WithTimeout(ctx, proveLimit)
	defer cancel()
	tick := time.NewTicker(signDelay)
	defer tick.Stop()
	for {
		p, err := a.prove(ctx, id, contents)
		if sallyport.CodeOf(err) != sallyport.CodeNotSignedYet {
			return p, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return p, err
		}
	}
}

// proveLimit is how long to wait for a checkpoint. A process that signs takes
// little more than signDelay.
const proveLimit = 3 * time.Second

func (a *Archive) prove(ctx context.Context, id string, contents bool) (proof.File, error) {
	head, err := a.signedHead(ctx)
	if err != nil {
		return proof.File{}, err
	}
	p := proof.File{Version: proof.FileVersion, Call: id, Checkpoint: string(head.note), Leaves: []proof.Included{}}
	unsigned := false
	err = each(ctx, a.db, func(rows *sql.Rows) error {
		var l proof.Included
		var leaf, content []byte
		if err := rows.Scan(&l.Index, &leaf, &content); err != nil {
			return err
		}
		l.Leaf = string(leaf)
		if contents {
			l.Entry = string(content)
		}
		unsigned = unsigned || l.Index >= head.tree.N
		p.Leaves = append(p.Leaves, l)
		return nil
	}, sqlLeavesOf, id)
	switch {
	case err != nil:
		return proof.File{}, unreadable(err)
	case len(p.Leaves) == 0:
		return proof.File{}, noSuchCall(id)
	case unsigned:
		return proof.File{}, notSigned(id)
	}
	for i, l := range p.Leaves {
		if p.Leaves[i].Inclusion, err = tlog.ProveRecord(head.tree.N, l.Index, hashesOf(ctx, a.db)); err != nil {
			return proof.File{}, unreadable(err)
		}
	}
	if contents {
		if err := a.db.QueryRowContext(ctx, sqlSalt, id).Scan(&p.Salt); err != nil {
			return proof.File{}, unreadable(err)
		}
	}
	return p, nil
}

func notSigned(id string) error {
	e := sallyport.Errorf(sallyport.Unavailable, sallyport.CodeNotSignedYet, "no checkpoint covers all leaves of call %s yet; try again", id)
	e.RetryAfter = time.Second
	return e
}

// Prove is [Archive.Prove] as JSON.
func (l *Ledger) Prove(ctx context.Context, id string, contents bool) ([]byte, error) {
	p, err := l.Archive.Prove(ctx, id, contents)
	if err != nil {
		return nil, err
	}
	return json.Marshal(p)
}
