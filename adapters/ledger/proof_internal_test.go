package ledger

import (
	"path/filepath"
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

// TestEveryBitOfAProof flips each bit of a proof's checkpoint, leaves, hashes,
// indexes, salt and entries, one at a time.
func TestEveryBitOfAProof(t *testing.T) {
	Exhaustive(t)
	key, err := CreateKey(filepath.Join(t.TempDir(), "key"), "ledger.example")
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(t.Context(), Options{Database: Database{Path: filepath.Join(t.TempDir(), "db")}, Signer: key})
	if err != nil {
		t.Fatal(err)
	}
	story := sallyporttest.Approved(1)
	for _, e := range append(sallyporttest.Approved(0), story...) {
		if _, err := l.Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.notary.sign(t.Context()); err != nil {
		t.Fatal(err)
	}
	genuine, err := l.Archive.Prove(t.Context(), story[0].CallID, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	keys := note.VerifierList(key.Verifier())
	bits(genuine.Checkpoint, func(flipped string) {
		if c, err := openCheckpoint([]byte(flipped), keys); err == nil {
			t.Errorf("a checkpoint for %d leaves was taken", c.tree.N)
		}
	})
	whole, err := openCheckpoint([]byte(genuine.Checkpoint), keys)
	if err != nil {
		t.Fatal(err)
	}
	for i, leaf := range genuine.Leaves {
		taken := func(what string, forge func(*Proof)) {
			t.Helper()
			forged := genuine
			forged.Leaves = slices.Clone(genuine.Leaves)
			forge(&forged)
			c := &proofCheck{proof: forged, tree: whole.tree}
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
			if tlog.CheckRecord(leaf.Inclusion, whole.tree.N, whole.tree.Hash, leaf.Index, tlog.RecordHash([]byte(flipped))) == nil {
				t.Errorf("leaf %d is in the log with a bit flipped", i)
			}
		})
		for n, h := range leaf.Inclusion {
			bits(string(h[:]), func(flipped string) {
				taken("a hash", func(p *Proof) {
					p.Leaves[i].Inclusion = slices.Clone(leaf.Inclusion)
					copy(p.Leaves[i].Inclusion[n][:], flipped)
				})
			})
		}
		for bit := range 62 {
			taken("the index", func(p *Proof) { p.Leaves[i].Index ^= 1 << bit })
		}
		bits(string(genuine.Salt[:4]), func(flipped string) {
			taken("the salt", func(p *Proof) { p.Salt = append([]byte(flipped), genuine.Salt[4:]...) })
		})
	}
	last := len(genuine.Leaves) - 1
	bits(genuine.Leaves[last].Entry, func(flipped string) {
		if e, err := decodeEntry([]byte(flipped)); err == nil && e.Check() == nil {
			leaf, err := leafAs(leafVersion, e, last, genuine.Salt)
			if again, _ := encode(e); err == nil && string(leaf) == genuine.Leaves[last].Leaf && !strings.EqualFold(string(again), genuine.Leaves[last].Entry) {
				t.Error("a leaf commits to another entry")
			}
		}
	})
}
