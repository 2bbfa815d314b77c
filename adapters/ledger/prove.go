package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
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
	// One snapshot: the leaves are all that the call has in the checkpoint's tree.
	tx, err := a.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return proof.File{}, unreadable(err)
	}
	defer tx.Rollback() //nolint:errcheck // it was only read
	head, err := signedHead(ctx, tx)
	if err != nil {
		return proof.File{}, err
	}
	p := proof.File{Version: proof.FileVersion, Call: id, Checkpoint: string(head.note), Leaves: []proof.Included{}}
	unsigned := false
	err = each(ctx, tx, func(rows *sql.Rows) error {
		var l proof.Included
		var leaf, content, receipt []byte
		if err := rows.Scan(&l.Index, &leaf, &content, &receipt); err != nil {
			return err
		}
		l.Leaf = string(leaf)
		if contents {
			l.Entry = string(unpack(content, receipt))
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
		if p.Leaves[i].Inclusion, err = tlog.ProveRecord(head.tree.N, l.Index, hashesOf(ctx, tx)); err != nil {
			return proof.File{}, unreadable(err)
		}
	}
	if contents {
		if err := tx.QueryRowContext(ctx, sqlSalt, id).Scan(&p.Salt); err != nil {
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

// Prove is [Archive.Prove] as JSON. Of what has not ended, it adds the log's word
// on how many leaves there are, which takes the key.
func (l *Ledger) Prove(ctx context.Context, id string, contents bool) ([]byte, error) {
	p, err := l.Archive.Prove(ctx, id, contents)
	if err == nil {
		err = l.count(ctx, &p)
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(p)
}

// count signs how many leaves a proof has, unless the last ones show its end.
func (l *Ledger) count(ctx context.Context, p *proof.File) error {
	var c proof.Chain
	for _, included := range p.Leaves {
		leaf, err := proof.ParseLeaf([]byte(included.Leaf))
		if err == nil {
			err = c.Add(included.Index, leaf)
		}
		if err != nil {
			return unreadable(fmt.Errorf("leaf %d: %w", included.Index, err))
		}
	}
	if c.Ended() {
		return nil
	}
	head, err := proof.OpenCheckpoint([]byte(p.Checkpoint), l.notary.trusted)
	if err != nil {
		return unreadable(fmt.Errorf("the last checkpoint: %w", err))
	}
	ctx, cancel := context.WithTimeout(ctx, proveLimit)
	defer cancel()
	counted := proof.Count{Call: p.Call, Leaves: len(p.Leaves), Tree: head.Tree, Time: time.Now()}
	msg, err := proof.SignCount(counted, noteSigner{l.notary.signer, ctx})
	if err != nil {
		return unavailable(err, "the number of leaves of call %s can't be signed", p.Call)
	}
	p.Count = string(msg)
	return nil
}
