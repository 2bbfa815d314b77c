package ledger

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sallyport/sallyport/adapters/ledger/proof"
)

// signedTree is what a checkpoint says.
type signedTree struct {
	where string
	tree  tlog.Tree
}

// readCheckpoints opens the checkpoints in the database, and the known ones
// that were kept elsewhere.
func (v *verification) readCheckpoints(ctx context.Context, known [][]byte) error {
	last := int64(-1)
	var keys []uint32 // that have signed, in their order
	err := v.each(ctx, func(rows *sql.Rows) error {
		var seq, size int64
		var msg []byte
		if err := rows.Scan(&seq, &size, &msg); err != nil {
			return err
		}
		where := fmt.Sprintf("checkpoint %d", seq)
		if seq != v.report.Checkpoints {
			v.report.Find(where, "checkpoint %d should come here: one is missing", v.report.Checkpoints)
		}
		v.report.Checkpoints = seq + 1
		c, ok := v.openSigned(where, msg)
		if !ok {
			return nil
		}
		if c.Tree.N != size {
			v.report.Find(where, "it is signed for %d leaves and stored as for %d", c.Tree.N, size)
		}
		if c.Tree.N <= last {
			v.report.Find(where, "it is for %d leaves and the one before it for %d", c.Tree.N, last)
		}
		last = max(last, c.Tree.N)
		// A key that was replaced, and got into other hands, signs no more.
		if slices.Contains(keys, c.Key) && keys[len(keys)-1] != c.Key {
			v.report.Find(where, "it is signed by a key that another one had replaced")
		} else if !slices.Contains(keys, c.Key) {
			keys = append(keys, c.Key)
		}
		return nil
	}, sqlAllCheckpoints)
	for i, msg := range known {
		v.openSigned(fmt.Sprintf("known checkpoint %d", i), msg)
	}
	slices.SortStableFunc(v.signed, func(a, b signedTree) int { return cmp.Compare(a.tree.N, b.tree.N) })
	return err
}

func (v *verification) openSigned(where string, msg []byte) (proof.Checkpoint, bool) {
	c, err := proof.OpenCheckpoint(msg, v.verifiers)
	if err != nil {
		v.report.Find(where, "it is not one that this log signed: %v", err)
		return c, false
	}
	v.signed = append(v.signed, signedTree{where: where, tree: c.Tree})
	return c, true
}

// tree makes the Merkle tree from the leaves and compares nodes and
// checkpoints with it.
func (v *verification) tree(ctx context.Context) error {
	v.edge = proof.NewFrontier()
	if err := v.compareSigned(); err != nil {
		return err
	}
	nodes := newRows(v.tx, sqlNodesAfter)
	err := newRows(v.tx, sqlLeavesAfter).each(ctx, func(leaf row) error {
		if leaf.index != v.edge.Size() {
			v.report.Find(fmt.Sprintf("leaf %d", leaf.index), "leaf %d should come here: leaves are missing", v.edge.Size())
		}
		return v.addLeaf(ctx, leaf.value, nodes)
	})
	if err != nil {
		return err
	}
	err = nodes.each(ctx, func(node row) error {
		v.report.Find(fmt.Sprintf("node %d", node.index), "the tree of %d leaves does not have it", v.edge.Size())
		return nil
	})
	for _, s := range v.signed {
		v.report.Find(s.where, "it is for %d leaves, and there are %d: the log was cut off", s.tree.N, v.edge.Size())
	}
	return err
}

// addLeaf puts the next leaf into the tree.
func (v *verification) addLeaf(ctx context.Context, leaf []byte, nodes *rows) error {
	first, hashes, err := v.edge.Add(tlog.RecordHash(leaf))
	if err != nil {
		return err
	}
	v.report.Leaves++
	for i, h := range hashes {
		if err := v.compareNode(ctx, nodes, first+int64(i), h); err != nil {
			return err
		}
	}
	return v.compareSigned()
}

func (v *verification) compareNode(ctx context.Context, nodes *rows, index int64, want tlog.Hash) error {
	where := fmt.Sprintf("node %d", index)
	got, ok, err := nodes.next(ctx)
	switch {
	case err != nil:
		return err
	case !ok:
		v.report.Find(where, "it is missing")
		return nil
	}
	v.report.Nodes++
	switch {
	case got.index != index:
		v.report.Find(where, "node %d stands in its place", got.index)
	case !bytes.Equal(got.value, want[:]):
		v.report.Find(where, "its hash is not that of the leaves below it")
	}
	return nil
}

// compareSigned compares the tree with the checkpoints of its present size.
func (v *verification) compareSigned() error {
	for len(v.signed) > 0 && v.signed[0].tree.N == v.edge.Size() {
		root, err := v.edge.Root()
		if err != nil {
			return err
		}
		if s := v.signed[0]; s.tree.Hash == root {
			v.covered = v.edge.Size()
		} else {
			v.report.Find(s.where, "the first %d leaves are not those that were signed", s.tree.N)
		}
		v.signed = v.signed[1:]
	}
	return nil
}

// head compares the head with the tree.
func (v *verification) head(ctx context.Context) error {
	v.report.Unsigned = v.edge.Size() - v.covered
	root, err := v.edge.Root()
	if err != nil {
		return err
	}
	v.report.Root = root.String()
	var size, checkpoints int64
	var hash []byte
	err = v.tx.QueryRowContext(ctx, sqlHead).Scan(&size, &hash, &checkpoints)
	if errors.Is(err, sql.ErrNoRows) {
		v.report.Find("head", "it is missing")
		return nil
	}
	if err != nil {
		return err
	}
	if size != v.edge.Size() {
		v.report.Find("head", "it counts %d leaves, and there are %d", size, v.edge.Size())
	}
	if !bytes.Equal(hash, root[:]) {
		v.report.Find("head", "its hash is not that of the leaves")
	}
	if checkpoints != v.report.Checkpoints {
		v.report.Find("head", "it counts %d checkpoints, and there are %d", checkpoints, v.report.Checkpoints)
	}
	if v.report.Checkpoints == 0 {
		v.report.Find("checkpoints", "there is none, and even an empty log has one")
	}
	return nil
}
