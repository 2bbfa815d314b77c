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
)

// signedTree is what a checkpoint says.
type signedTree struct {
	where string
	tree  tlog.Tree
}

// readCheckpoints opens the checkpoints, those in the database and those that
// somebody kept elsewhere.
func (v *verification) readCheckpoints(ctx context.Context, known [][]byte) error {
	last := int64(-1)
	err := v.each(ctx, func(rows *sql.Rows) error {
		var seq, size int64
		var msg []byte
		if err := rows.Scan(&seq, &size, &msg); err != nil {
			return err
		}
		where := fmt.Sprintf("checkpoint %d", seq)
		if seq != v.report.Checkpoints {
			v.report.find(where, "checkpoint %d should come here: one is missing", v.report.Checkpoints)
		}
		v.report.Checkpoints = seq + 1
		tree, ok := v.openSigned(where, msg)
		if ok && tree.N != size {
			v.report.find(where, "it is signed for %d leaves and stored as for %d", tree.N, size)
		}
		if ok && tree.N <= last {
			v.report.find(where, "it is for %d leaves and the one before it for %d", tree.N, last)
		}
		last = max(last, tree.N)
		return nil
	}, sqlAllCheckpoints)
	for i, msg := range known {
		v.openSigned(fmt.Sprintf("known checkpoint %d", i), msg)
	}
	slices.SortStableFunc(v.signed, func(a, b signedTree) int { return cmp.Compare(a.tree.N, b.tree.N) })
	return err
}

func (v *verification) openSigned(where string, msg []byte) (tlog.Tree, bool) {
	tree, err := openCheckpoint(msg, v.verifiers)
	if err != nil {
		v.report.find(where, "it is not one that this log signed: %v", err)
		return tree, false
	}
	v.signed = append(v.signed, signedTree{where: where, tree: tree})
	return tree, true
}

// tree makes the Merkle tree from the leaves and compares nodes and
// checkpoints with it.
func (v *verification) tree(ctx context.Context) error {
	nodes, err := v.tx.QueryContext(ctx, sqlAllNodes)
	if err != nil {
		return err
	}
	defer nodes.Close()
	v.edge = newFrontier()
	if err := v.compareSigned(); err != nil {
		return err
	}
	err = v.each(ctx, func(rows *sql.Rows) error {
		var index int64
		var leaf []byte
		if err := rows.Scan(&index, &leaf); err != nil {
			return err
		}
		if index != v.edge.size {
			v.report.find(fmt.Sprintf("leaf %d", index), "leaf %d should come here: leaves are missing", v.edge.size)
		}
		return v.addLeaf(leaf, nodes)
	}, sqlAllLeaves)
	if err != nil {
		return err
	}
	for nodes.Next() {
		var index int64
		var hash []byte
		if err := nodes.Scan(&index, &hash); err != nil {
			return err
		}
		v.report.find(fmt.Sprintf("node %d", index), "the tree of %d leaves does not have it", v.edge.size)
	}
	for _, s := range v.signed {
		v.report.find(s.where, "it is for %d leaves, and there are %d: the log was cut off", s.tree.N, v.edge.size)
	}
	return nodes.Err()
}

// addLeaf puts the next leaf into the tree.
func (v *verification) addLeaf(leaf []byte, nodes *sql.Rows) error {
	first, hashes, err := v.edge.add(tlog.RecordHash(leaf))
	if err != nil {
		return err
	}
	v.report.Leaves++
	for i, h := range hashes {
		if err := v.compareNode(nodes, first+int64(i), h); err != nil {
			return err
		}
	}
	return v.compareSigned()
}

func (v *verification) compareNode(nodes *sql.Rows, index int64, want tlog.Hash) error {
	where := fmt.Sprintf("node %d", index)
	if !nodes.Next() {
		v.report.find(where, "it is missing")
		return nodes.Err()
	}
	var got int64
	var hash []byte
	if err := nodes.Scan(&got, &hash); err != nil {
		return err
	}
	v.report.Nodes++
	switch {
	case got != index:
		v.report.find(where, "node %d stands in its place", got)
	case !bytes.Equal(hash, want[:]):
		v.report.find(where, "its hash is not that of the leaves below it")
	}
	return nil
}

// compareSigned holds the checkpoints for the tree's present size against it.
func (v *verification) compareSigned() error {
	for len(v.signed) > 0 && v.signed[0].tree.N == v.edge.size {
		root, err := v.edge.root()
		if err != nil {
			return err
		}
		if s := v.signed[0]; s.tree.Hash == root {
			v.covered = v.edge.size
		} else {
			v.report.find(s.where, "the first %d leaves are not those that were signed", s.tree.N)
		}
		v.signed = v.signed[1:]
	}
	return nil
}

// head compares the head with the tree.
func (v *verification) head(ctx context.Context) error {
	v.report.Unsigned = v.edge.size - v.covered
	root, err := v.edge.root()
	if err != nil {
		return err
	}
	v.report.Root = root.String()
	var size, checkpoints int64
	var hash []byte
	err = v.tx.QueryRowContext(ctx, sqlHead).Scan(&size, &hash, &checkpoints)
	if errors.Is(err, sql.ErrNoRows) {
		v.report.find("head", "it is missing")
		return nil
	}
	if err != nil {
		return err
	}
	if size != v.edge.size {
		v.report.find("head", "it counts %d leaves, and there are %d", size, v.edge.size)
	}
	if !bytes.Equal(hash, root[:]) {
		v.report.find("head", "its hash is not that of the leaves")
	}
	if checkpoints != v.report.Checkpoints {
		v.report.find("head", "it counts %d checkpoints, and there are %d", checkpoints, v.report.Checkpoints)
	}
	if v.report.Checkpoints == 0 {
		v.report.find("checkpoints", "there is none, and even an empty log has one")
	}
	return nil
}
