package ledger

import (
	"context"
	"database/sql"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
)

// The log as C2SP tlog-tiles has it. Only what the last signed checkpoint covers
// is given out.

func noTile(path string) error {
	return sallyport.Errorf(sallyport.NotFound, sallyport.CodeNoTile, "the log has nothing at %.80q", path)
}

// Tile is what the log has at one of the paths of C2SP tlog-tiles: "checkpoint",
// "tile/<level>/<number>" or "tile/entries/<number>". It returns an error of kind
// [sallyport.NotFound] for what there is not, or not signed yet.
func (a *Archive) Tile(ctx context.Context, path string) ([]byte, error) {
	if path == proof.CheckpointPath {
		head, err := a.signedHead(ctx)
		return head.note, err
	}
	t, ok := proof.ParseTile(path)
	if !ok {
		return nil, noTile(path)
	}
	head, err := a.signedHead(ctx)
	if err != nil {
		return nil, err
	}
	if !t.In(head.tree.N) {
		return nil, noTile(path)
	}
	b, err := a.tile(ctx, t)
	if err != nil {
		return nil, unreadable(err)
	}
	return b, nil
}

func (a *Archive) tile(ctx context.Context, t proof.Tile) ([]byte, error) {
	if t.Bundle() {
		return a.bundle(ctx, t)
	}
	return tlog.ReadTileData(t.Tile, hashesOf(ctx, a.db))
}

// bundle is some leaves, each after its length in two bytes.
func (a *Archive) bundle(ctx context.Context, t proof.Tile) (b []byte, err error) {
	first, n := t.N*proof.TileWidth, int64(0)
	err = each(ctx, a.db, func(rows *sql.Rows) error {
		var index int64
		var leaf []byte
		if err := rows.Scan(&index, &leaf); err != nil {
			return err
		}
		if index != first+n || len(leaf) > proof.MaxLeaf {
			return tamperedError{what: fmt.Sprintf("leaf %d is not where leaf %d should be", index, first+n)}
		}
		n++
		b = proof.AppendLeaf(b, leaf)
		return nil
	}, sqlLeavesAfter, first-1, t.W)
	if err == nil && n != int64(t.W) {
		err = tamperedError{what: fmt.Sprintf("leaf %d is missing", first+n)}
	}
	return b, err
}
