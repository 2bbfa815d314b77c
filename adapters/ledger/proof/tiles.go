package proof

import (
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// The log as C2SP tlog-tiles has it: a checkpoint, tiles of hashes, and bundles
// of leaves.

const (
	tileHeight = 8
	// TileWidth is how many hashes a full tile has, and leaves a full bundle.
	TileWidth = 1 << tileHeight
	// entries is the level of a tile that is a bundle of leaves.
	entries = -1
	// CheckpointPath is where a published log has its checkpoint.
	CheckpointPath = "checkpoint"
)

// Tile is a tile of hashes, or a bundle of leaves.
type Tile struct{ tlog.Tile }

// Bundle reports whether the tile is a bundle of leaves.
func (t Tile) Bundle() bool { return t.L == entries }

// Path is the tile's path: "tile/", its level or "entries", and its number and
// width.
func (t Tile) Path() string {
	rest := strings.TrimPrefix(t.Tile.Path(), fmt.Sprintf("tile/%d/", tileHeight))
	if rest, ok := strings.CutPrefix(rest, "data/"); ok {
		return "tile/entries/" + rest
	}
	return "tile/" + rest
}

// ParseTile is the tile that a path names, spelt as [Tile.Path] spells it.
func ParseTile(path string) (t Tile, ok bool) {
	rest := strings.TrimPrefix(path, "tile/")
	if bundle, ok := strings.CutPrefix(rest, "entries/"); ok {
		rest = "data/" + bundle
	}
	parsed, err := tlog.ParseTilePath(fmt.Sprintf("tile/%d/%s", tileHeight, rest))
	t = Tile{parsed}
	return t, err == nil && t.Path() == path
}

// In reports whether a tree of some size has all of the tile.
func (t Tile) In(size int64) bool {
	nodes := size >> (tileHeight * max(t.L, 0)) // on the tile's lowest level
	return t.N <= nodes/TileWidth && t.N*TileWidth+int64(t.W) <= nodes
}

// Tiles are the tiles that a tree has and a smaller one, as far as it was
// published, has not: full ones, and the partial ones at its right edge.
func Tiles(smaller, size int64) []Tile {
	var all []Tile
	for _, t := range tlog.NewTiles(tileHeight, smaller, size) {
		all = append(all, Tile{t})
	}
	for n := smaller / TileWidth; n*TileWidth < size; n++ {
		w := min(size-n*TileWidth, TileWidth)
		if n*TileWidth+w > smaller {
			all = append(all, bundle(n, w))
		}
	}
	return all
}

// bundle is the bundle of this number, with the first width of its leaves.
func bundle(number, width int64) Tile {
	return Tile{tlog.Tile{H: tileHeight, L: entries, N: number, W: int(width)}}
}

// AppendLeaf appends a leaf to a bundle, after its length in two bytes. The leaf
// has at most [MaxLeaf] bytes.
func AppendLeaf(bundle, leaf []byte) []byte {
	bundle = binary.BigEndian.AppendUint16(bundle, uint16(len(leaf))) //nolint:gosec // it is at most MaxLeaf
	return append(bundle, leaf...)
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
