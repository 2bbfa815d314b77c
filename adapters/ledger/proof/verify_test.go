package proof

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sallyport/sallyport"
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

// testLog is a log in memory.
type testLog struct {
	t        testing.TB
	signer   note.Signer
	verifier note.Verifier
	edge     Frontier
	stored   []tlog.Hash
	leaves   [][]byte
	salt     []byte
	files    map[string]File // by call, without proofs
}

func newLog(t testing.TB) *testLog {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, "ledger.example")
	if err != nil {
		t.Fatal(err)
	}
	l := &testLog{t: t, edge: NewFrontier(), salt: make([]byte, SaltSize), files: map[string]File{}}
	_, _ = rand.Read(l.salt) // it never fails
	if l.signer, err = note.NewSigner(private); err != nil {
		t.Fatal(err)
	}
	if l.verifier, err = ParseVerifier(public); err != nil {
		t.Fatal(err)
	}
	return l
}

// add appends entries, whether they may come next or not.
func (l *testLog) add(entries ...sallyport.Entry) *testLog {
	l.t.Helper()
	for _, e := range entries {
		content, err := Encode(e)
		if err != nil {
			l.t.Fatal(err)
		}
		leaf, err := LeafOf(e, len(l.files[e.CallID].Leaves), l.salt)
		if err != nil {
			l.t.Fatal(err)
		}
		l.addLeaf(e.CallID, string(leaf), string(content))
	}
	return l
}

func (l *testLog) addLeaf(call, leaf, content string) {
	l.t.Helper()
	f := l.files[call]
	f.Leaves = append(slices.Clip(f.Leaves), Included{Index: l.edge.Size(), Leaf: leaf, Entry: content})
	l.files[call] = f
	_, hashes, err := l.edge.Add(tlog.RecordHash([]byte(leaf)))
	if err != nil {
		l.t.Fatal(err)
	}
	l.stored, l.leaves = append(l.stored, hashes...), append(l.leaves, []byte(leaf))
}

// checkpoint is the signed head.
func (l *testLog) checkpoint() string {
	l.t.Helper()
	root, err := l.edge.Root()
	if err != nil {
		l.t.Fatal(err)
	}
	checkpoint, err := SignCheckpoint(tlog.Tree{N: l.edge.Size(), Hash: root}, l.signer)
	if err != nil {
		l.t.Fatal(err)
	}
	return string(checkpoint)
}

// verifyTiles verifies the log as it is published, which takes less than two
// bundles.
func (l *testLog) verifyTiles() Report {
	l.t.Helper()
	r, err := VerifyTiles(l.t.Context(), TilesOptions{
		Verifiers: note.VerifierList(l.verifier),
		Fetch: func(_ context.Context, path string) ([]byte, error) {
			if path == CheckpointPath {
				return []byte(l.checkpoint()), nil
			}
			var b []byte
			for _, leaf := range l.leaves {
				b = AppendLeaf(b, leaf)
			}
			return b, nil
		},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

// file is the proof of a call, with all that its leaves commit to.
func (l *testLog) file(call string) File {
	l.t.Helper()
	f := l.files[call]
	f.Version, f.Call, f.Salt, f.Leaves = FileVersion, call, l.salt, slices.Clone(f.Leaves)
	f.Checkpoint = l.checkpoint()
	for i, leaf := range f.Leaves {
		var err error
		f.Leaves[i].Inclusion, err = tlog.ProveRecord(l.edge.Size(), leaf.Index, tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
			var hashes []tlog.Hash
			for _, x := range indexes {
				hashes = append(hashes, l.stored[x])
			}
			return hashes, nil
		}))
		if err != nil {
			l.t.Fatal(err)
		}
	}
	return f
}

// closed is a proof without what its leaves commit to.
func (f File) closed() File {
	f.Salt, f.Leaves = nil, slices.Clone(f.Leaves)
	for i := range f.Leaves {
		f.Leaves[i].Entry = ""
	}
	return f
}

// proven is a log in memory with two calls, and the proof of the second one.
func proven(t testing.TB) (File, note.Verifier) {
	t.Helper()
	l := newLog(t).add(sallyporttest.Approved(0)...).add(sallyporttest.Approved(1)...)
	return l.file(sallyporttest.Approved(1)[0].CallID), l.verifier
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
