package proof

import (
	"encoding/hex"
	"fmt"
	"maps"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sallyport/sallyport"
)

// Frontier is a tree's right edge: the complete subtrees that the hashes of
// later leaves, and the root, are made from. It has at most one node for each
// bit of the tree's size.
type Frontier struct {
	size  int64
	nodes map[int64]tlog.Hash // by stored hash index
}

// NewFrontier is the right edge of the empty tree.
func NewFrontier() Frontier { return Frontier{nodes: map[int64]tlog.Hash{}} }

// LoadFrontier reads the frontier of a tree of some size.
func LoadFrontier(size int64, r tlog.HashReader) (Frontier, error) {
	f := Frontier{size: size, nodes: map[int64]tlog.Hash{}}
	// TreeHash asks exactly for the complete subtrees.
	_, err := tlog.TreeHash(size, tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes, err := r.ReadHashes(indexes)
		if err != nil {
			return nil, err
		}
		for i, x := range indexes {
			f.nodes[x] = hashes[i]
		}
		return hashes, nil
	}))
	return f, err
}

// Size is how many leaves the tree has.
func (f Frontier) Size() int64 { return f.size }

// Clone is a copy that grows by itself.
func (f Frontier) Clone() Frontier { return Frontier{size: f.size, nodes: maps.Clone(f.nodes)} }

// Root is the tree's hash.
func (f Frontier) Root() (tlog.Hash, error) { return tlog.TreeHash(f.size, f) }

// Add appends a leaf. It returns the hashes to be stored, the first of them
// at the returned index.
func (f *Frontier) Add(record tlog.Hash) (first int64, hashes []tlog.Hash, err error) {
	var used []int64
	hashes, err = tlog.StoredHashesForRecordHash(f.size, record, tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		used = indexes
		return f.ReadHashes(indexes)
	}))
	if err != nil {
		return 0, nil, err
	}
	first = tlog.StoredHashIndex(0, f.size)
	for _, x := range used {
		delete(f.nodes, x) // they are below the new node now
	}
	top := len(hashes) - 1
	f.nodes[first+int64(top)] = hashes[top]
	f.size++
	return first, hashes, nil
}

// ReadHashes implements [tlog.HashReader].
func (f Frontier) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		h, ok := f.nodes[x]
		if !ok {
			return nil, fmt.Errorf("node %d is not on the edge of a tree of %d leaves", x, f.size)
		}
		hashes[i] = h
	}
	return hashes, nil
}

// LeafDigest is the leaf's hash in the tree (RFC 6962, section 2.1).
func LeafDigest(leaf []byte) sallyport.Digest {
	h := tlog.RecordHash(leaf)
	return sallyport.Digest("sha256:" + hex.EncodeToString(h[:]))
}
