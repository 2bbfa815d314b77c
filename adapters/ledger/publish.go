package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sallyport/sallyport/adapters/ledger/proof"
)

// Publish writes the signed part of the log into a directory, as C2SP
// tlog-tiles has it, and returns its number of leaves. It adds to what an
// earlier Publish wrote there. It fails for a log that does not extend the
// published one, and for a checkpoint that no verifier accepts. The checkpoint
// is written last, so that a concurrent reader finds all leaves that it covers.
func (a *Archive) Publish(ctx context.Context, dir string, verifiers note.Verifiers) (int64, error) {
	head, err := a.signedHead(ctx)
	if err != nil {
		return 0, err
	}
	if _, err := proof.OpenCheckpoint(head.note, verifiers); err != nil {
		return 0, fmt.Errorf("the last checkpoint is not signed by the given key: %w", err)
	}
	published, err := a.published(ctx, dir, verifiers, head)
	if err != nil {
		return 0, err
	}
	for _, t := range proof.Tiles(published, head.tree.N) {
		b, err := a.tile(ctx, t)
		if err != nil {
			return 0, unreadable(err)
		}
		if err := writeFile(filepath.Join(dir, filepath.FromSlash(t.Path())), b); err != nil {
			return 0, err
		}
	}
	return head.tree.N, writeFile(filepath.Join(dir, proof.CheckpointPath), head.note)
}

// published is how many leaves a directory has, which must be the first of ours.
func (a *Archive) published(ctx context.Context, dir string, verifiers note.Verifiers, head checkpoint) (int64, error) {
	msg, err := os.ReadFile(filepath.Join(dir, proof.CheckpointPath))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	old, err := proof.OpenCheckpoint(msg, verifiers)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s has a checkpoint of another log: %w", dir, err)
	case old.Tree.N > head.tree.N:
		return 0, fmt.Errorf("%s has %d leaves and this log has %d: it was set back, or is not the one that was published", dir, old.Tree.N, head.tree.N)
	case old.Tree.N == 0 || old.Tree == head.tree:
		return old.Tree.N, nil
	}
	consistency, err := tlog.ProveTree(head.tree.N, old.Tree.N, hashesOf(ctx, a.db))
	if err != nil {
		return 0, unreadable(err)
	}
	if err := tlog.CheckTree(consistency, head.tree.N, head.tree.Hash, old.Tree.N, old.Tree.Hash); err != nil {
		return 0, fmt.Errorf("this log does not extend the one of %d leaves that is published in %s: it was changed: %w", old.Tree.N, dir, err)
	}
	return old.Tree.N, nil
}

// writeFile writes a file atomically. Every user may read it.
func writeFile(name string, data []byte) (err error) {
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // it is published
		return err
	}
	f, err := os.CreateTemp(dir, ".tile-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}
