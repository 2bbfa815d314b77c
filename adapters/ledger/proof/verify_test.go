package proof

import (
	"crypto/rand"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sallyport/sallyport/sallyporttest"
)

// bits flips each bit of a text, one at a time.
func bits(s string, try func(flipped string)) {
	for bit := range len(s) * 8 {
		b := []byte(s)
		b[bit/8] ^= 1 << (bit % 8)
		try(string(b))
	}
}

// proven is a log in memory with two calls, and the proof of the second one.
func proven(t testing.TB) (File, note.Verifier) {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, "ledger.example")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := ParseVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	var stored []tlog.Hash
	edge := NewFrontier()
	f := File{Version: FileVersion, Salt: make([]byte, SaltSize)}
	_, _ = rand.Read(f.Salt) // it never fails
	for call := range 2 {
		f.Leaves = nil
		for n, e := range sallyporttest.Approved(call) {
			_, content, err := Normalise(e)
			if err != nil {
				t.Fatal(err)
			}
			leaf, err := LeafOf(e, n, f.Salt)
			if err != nil {
				t.Fatal(err)
			}
			f.Call = e.CallID
			f.Leaves = append(f.Leaves, Included{Index: edge.Size(), Leaf: string(leaf), Entry: string(content)})
			_, hashes, err := edge.Add(tlog.RecordHash(leaf))
			if err != nil {
				t.Fatal(err)
			}
			stored = append(stored, hashes...)
		}
	}
	return f.signed(t, edge, stored, signer), verifier
}

// signed adds what the log's signer and its tree say of a file's leaves.
func (f File) signed(t testing.TB, edge Frontier, stored []tlog.Hash, signer note.Signer) File {
	t.Helper()
	root, err := edge.Root()
	if err != nil {
		t.Fatal(err)
	}
	checkpoint, err := SignCheckpoint(tlog.Tree{N: edge.Size(), Hash: root}, signer)
	if err != nil {
		t.Fatal(err)
	}
	f.Checkpoint = string(checkpoint)
	for i, l := range f.Leaves {
		f.Leaves[i].Inclusion, err = tlog.ProveRecord(edge.Size(), l.Index, tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
			var hashes []tlog.Hash
			for _, x := range indexes {
				hashes = append(hashes, stored[x])
			}
			return hashes, nil
		}))
		if err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// TestEveryBitOfAProof flips each bit of a proof's checkpoint, leaves, hashes,
// indexes, salt and entries, one at a time.
func TestEveryBitOfAProof(t *testing.T) {
	sallyporttest.Exhaustive(t)
	genuine, verifier := proven(t)
	keys := note.VerifierList(verifier)
	bits(genuine.Checkpoint, func(flipped string) {
		if c, err := OpenCheckpoint([]byte(flipped), keys); err == nil {
			t.Errorf("a checkpoint for %d leaves was taken", c.Tree.N)
		}
	})
	whole, err := OpenCheckpoint([]byte(genuine.Checkpoint), keys)
	if err != nil {
		t.Fatal(err)
	}
	for i, leaf := range genuine.Leaves {
		taken := func(what string, forge func(*File)) {
			t.Helper()
			forged := genuine
			forged.Leaves = slices.Clone(genuine.Leaves)
			forge(&forged)
			c := &fileCheck{proof: forged, tree: whole.Tree}
			for n := range i { // what comes before
				if err := c.check(n); err != nil {
					return
				}
			}
			if c.check(i) == nil {
				t.Errorf("leaf %d was taken with a bit of %s flipped", i, what)
			}
		}
		bits(leaf.Leaf, func(flipped string) {
			if tlog.CheckRecord(leaf.Inclusion, whole.Tree.N, whole.Tree.Hash, leaf.Index, tlog.RecordHash([]byte(flipped))) == nil {
				t.Errorf("leaf %d is in the log with a bit flipped", i)
			}
		})
		for n, h := range leaf.Inclusion {
			bits(string(h[:]), func(flipped string) {
				taken("a hash", func(p *File) {
					p.Leaves[i].Inclusion = slices.Clone(leaf.Inclusion)
					copy(p.Leaves[i].Inclusion[n][:], flipped)
				})
			})
		}
		for bit := range 62 {
			taken("the index", func(p *File) { p.Leaves[i].Index ^= 1 << bit })
		}
		bits(string(genuine.Salt[:4]), func(flipped string) {
			taken("the salt", func(p *File) { p.Salt = append([]byte(flipped), genuine.Salt[4:]...) })
		})
	}
	last := len(genuine.Leaves) - 1
	bits(genuine.Leaves[last].Entry, func(flipped string) {
		if e, err := DecodeEntry([]byte(flipped)); err == nil && e.Check() == nil {
			leaf, err := LeafAs(leafVersion, e, last, genuine.Salt)
			if again, _ := Encode(e); err == nil && string(leaf) == genuine.Leaves[last].Leaf && !strings.EqualFold(string(again), genuine.Leaves[last].Entry) {
				t.Error("a leaf commits to another entry")
			}
		}
	})
}
