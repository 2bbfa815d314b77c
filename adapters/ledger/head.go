package ledger

import (
	"context"
	"database/sql"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sallyport/sallyport/adapters/ledger/proof"
)

// checkpoint is a head that was signed.
type checkpoint struct {
	seq  int64 // how many there were
	tree tlog.Tree
	note []byte
}

// readHead reads the tree's size and hash, and how many checkpoints there are.
func readHead(ctx context.Context, db queryer) (head tlog.Tree, checkpoints int64, err error) {
	var hash []byte
	err = db.QueryRowContext(ctx, sqlHead).Scan(&head.N, &hash, &checkpoints)
	copy(head.Hash[:], hash)
	return head, checkpoints, err
}

// hashesOf reads stored hashes, which never change.
func hashesOf(ctx context.Context, db queryer) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		if len(indexes) == 0 {
			return nil, nil
		}
		args := make([]any, len(indexes))
		for i, x := range indexes {
			args[i] = x
		}
		stored := make(map[int64]tlog.Hash, len(indexes))
		err := each(ctx, db, func(rows *sql.Rows) error {
			var x int64
			var b []byte
			if err := rows.Scan(&x, &b); err != nil {
				return err
			}
			var h tlog.Hash
			copy(h[:], b)
			stored[x] = h
			return nil
		}, selectNodes(len(args)), args...)
		if err != nil {
			return nil, fmt.Errorf("nodes: %w", err)
		}
		hashes := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			h, ok := stored[x]
			if !ok {
				return nil, tamperedError{what: fmt.Sprintf("node %d is missing", x)}
			}
			hashes[i] = h
		}
		return hashes, nil
	})
}

// signedHead is the last checkpoint, whose signature the reader verifies.
func (a *Archive) signedHead(ctx context.Context) (checkpoint, error) {
	return signedHead(ctx, a.db)
}

func signedHead(ctx context.Context, db queryer) (checkpoint, error) {
	var c checkpoint
	if err := db.QueryRowContext(ctx, sqlLastCheckpoint).Scan(&c.seq, &c.note); err != nil {
		return c, unreadable(err)
	}
	said, err := proof.ReadCheckpoint(c.note)
	if err != nil {
		return c, unreadable(fmt.Errorf("the last checkpoint: %w", err))
	}
	c.tree = said.Tree
	return c, nil
}

// followEdge is the edge of a tree of this size and hash: the one that is known,
// or one read anew.
func followEdge(edge proof.Frontier, size int64, hash []byte, nodes tlog.HashReader) (proof.Frontier, error) {
	edge = edge.Clone()
	if ok, err := hasRoot(edge, size, hash); ok || err != nil {
		return edge, err
	}
	edge, err := proof.LoadFrontier(size, nodes)
	if err != nil {
		return edge, fmt.Errorf("the tree of %d leaves can't be read: %w", size, err)
	}
	ok, err := hasRoot(edge, size, hash)
	if err == nil && !ok {
		err = tamperedError{what: fmt.Sprintf("the head's hash is not that of the tree of %d leaves", size)}
	}
	return edge, err
}

func hasRoot(f proof.Frontier, size int64, hash []byte) (bool, error) {
	if f.Size() != size {
		return false, nil
	}
	root, err := f.Root()
	return err == nil && string(root[:]) == string(hash), err
}

// nodesOf reads stored hashes.
func nodesOf(ctx context.Context, conn connection) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		stored := make([][]byte, len(indexes))
		reads := make([]*statement, len(indexes))
		for i, x := range indexes {
			reads[i] = query([]any{&stored[i]}, sqlNode, x)
		}
		if err := conn.run(ctx, reads...); err != nil {
			return nil, fmt.Errorf("nodes: %w", err)
		}
		hashes := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			if reads[i].none {
				return nil, tamperedError{what: fmt.Sprintf("node %d is missing", x)}
			}
			copy(hashes[i][:], stored[i])
		}
		return hashes, nil
	})
}
