package ledger

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sallyport/sallyport"
)

// The log as C2SP tlog-tiles has it: a checkpoint, tiles of hashes, and bundles
// of leaves. Only what the last signed checkpoint covers is given out.

const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
	// entries is the level of a tile that is a bundle of leaves.
	entries = -1
	// CheckpointPath is where the checkpoint is, among the paths of [Archive.Tile].
	CheckpointPath = "checkpoint"
)

// tilePath is a tile's path: "tile/", its level or "entries", and its number and
// width.
func tilePath(t tlog.Tile) string {
	rest := strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", tileHeight))
	if rest, ok := strings.CutPrefix(rest, "data/"); ok {
		return "tile/entries/" + rest
	}
	return "tile/" + rest
}

// parseTilePath is the tile that a path names, spelt as tilePath spells it.
func parseTilePath(path string) (tlog.Tile, error) {
	rest := strings.TrimPrefix(path, "tile/")
	if bundle, ok := strings.CutPrefix(rest, "entries/"); ok {
		rest = "data/" + bundle
	}
	t, err := tlog.ParseTilePath(fmt.Sprintf("tile/%d/%s", tileHeight, rest))
	if err != nil || tilePath(t) != path {
		return t, noTile(path)
	}
	return t, nil
}

func noTile(path string) error {
	return sallyport.Errorf(sallyport.NotFound, "no_tile", "the log has nothing at %.80q", path)
}

// Tile is what the log has at one of the paths of C2SP tlog-tiles: "checkpoint",
// "tile/<level>/<number>" or "tile/entries/<number>". It returns an error of kind
// [sallyport.NotFound] for what there is not, or not signed yet.
func (a *Archive) Tile(ctx context.Context, path string) ([]byte, error) {
	if path == CheckpointPath {
		head, err := a.signedHead(ctx)
		return head.note, err
	}
	t, err := parseTilePath(path)
	if err != nil {
		return nil, err
	}
	head, err := a.signedHead(ctx)
	if err != nil {
		return nil, err
	}
	if !covered(t, head.tree.N) {
		return nil, noTile(path)
	}
	b, err := a.tile(ctx, t)
	if err != nil {
		return nil, unreadable(err)
	}
	return b, nil
}

// covered reports whether a tree of some size has all of a tile.
func covered(t tlog.Tile, size int64) bool {
	nodes := size >> (tileHeight * max(t.L, 0)) // on the tile's lowest level
	return t.N <= nodes/tileWidth && t.N*tileWidth+int64(t.W) <= nodes
}

func (a *Archive) tile(ctx context.Context, t tlog.Tile) ([]byte, error) {
	if t.L == entries {
		return a.bundle(ctx, t)
	}
	return tlog.ReadTileData(t, hashesOf(ctx, a.db))
}

// bundle is some leaves, each after its length in two bytes.
func (a *Archive) bundle(ctx context.Context, t tlog.Tile) (b []byte, err error) {
	first, n := t.N*tileWidth, int64(0)
	err = each(ctx, a.db, func(rows *sql.Rows) error {
		var index int64
		var leaf []byte
		if err := rows.Scan(&index, &leaf); err != nil {
			return err
		}
		if index != first+n || len(leaf) > maxLeaf {
			return tamperedError{what: fmt.Sprintf("leaf %d is not where leaf %d should be", index, first+n)}
		}
		n++
		b = binary.BigEndian.AppendUint16(b, uint16(len(leaf))) //nolint:gosec // it is at most maxLeaf
		b = append(b, leaf...)
		return nil
	}, sqlLeavesAfter, first-1, t.W)
	if err == nil && n != int64(t.W) {
		err = tamperedError{what: fmt.Sprintf("leaf %d is missing", first+n)}
	}
	return b, err
}

// leavesOf are the leaves of a bundle.
func leavesOf(bundle []byte) (leaves [][]byte, err error) {
	for len(bundle) > 0 {
		if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
			return nil, fmt.Errorf("a bundle ends within its leaf %d", len(leaves))
		}
		n := 2 + int(binary.BigEndian.Uint16(bundle))
		leaves, bundle = append(leaves, bundle[2:n]), bundle[n:]
	}
	return leaves, nil
}

// tilesOf are the tiles that a tree has and a smaller one, as far as it was
// published, has not: full ones, and the partial ones at its right edge.
func tilesOf(smaller, size int64) []tlog.Tile {
	all := tlog.NewTiles(tileHeight, smaller, size)
	for n := smaller / tileWidth; n*tileWidth < size; n++ {
		w := min(size-n*tileWidth, tileWidth)
		if n*tileWidth+w > smaller {
			all = append(all, tlog.Tile{H: tileHeight, L: entries, N: n, W: int(w)})
		}
	}
	return all
}
