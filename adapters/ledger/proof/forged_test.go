package proof

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport/sallyport/sallyporttest"
)

func check(t *testing.T, f File, verifier note.Verifier) (Statement, error) {
	t.Helper()
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return Verify(b, Options{Verifiers: note.VerifierList(verifier)})
}

// TestForgedProofs changes proofs, and wants Verify to reject each.
func TestForgedProofs(t *testing.T) {
	genuine, verifier := proven(t)
	stranger, _ := proven(t)
	for name, tt := range map[string]struct {
		reason string
		forge  func(*File)
	}{
		"LeafLeftOut":  {"a refused vote could be hidden", func(f *File) { f.Leaves = slices.Delete(f.Leaves, 4, 5) }},
		"FirstLeftOut": {"it begins with its receipt", func(f *File) { f.Leaves = f.Leaves[1:] }},
		"Swapped":      {"the order is evidence", func(f *File) { f.Leaves[2], f.Leaves[3] = f.Leaves[3], f.Leaves[2] }},
		"Twice":        {"once is once", func(f *File) { f.Leaves = append(f.Leaves, f.Leaves[7]) }},
		"OtherIndex":   {"it stands elsewhere", func(f *File) { f.Leaves[1].Index++ }},
		"OtherCall":    {"they are of this call", func(f *File) { f.Call = sallyporttest.Approved(2)[0].CallID }},
		"OtherKey":     {"another log's checkpoint", func(f *File) { f.Checkpoint = stranger.Checkpoint }},
		"OtherLog":     {"another log's leaves", func(f *File) { f.Leaves = stranger.Leaves }},
		"EntryLeftOut": {"what was opened is opened as a whole", func(f *File) { f.Leaves[5].Entry = "" }},
		"SaltLeftOut":  {"without it nothing is opened", func(f *File) { f.Salt = nil }},
		"OtherPerson":  {"the leaf commits to who it was", func(f *File) { f.Leaves[5].Entry = strings.ReplaceAll(f.Leaves[5].Entry, "bob", "eve") }},
		"OtherReason":  {"and to all that the entry holds", func(f *File) { f.Leaves[0].Entry = strings.ReplaceAll(f.Leaves[0].Entry, "latency", "urgency") }},
		"NoLeaves":     {"nothing is no proof", func(f *File) { f.Leaves = nil }},
		"NoInclusion":  {"each has to be shown to be there", func(f *File) { f.Leaves[3].Inclusion = nil }},
		"OtherVersion": {"it is something else", func(f *File) { f.Version = "sallyport/proof/v9" }},
		"NoCheckpoint": {"no signature", func(f *File) { f.Checkpoint = "" }},
		"NotCanonical": {"it would have another hash", func(f *File) { f.Leaves[0].Leaf = " " + f.Leaves[0].Leaf }},
		"EmptyEntry": {"it records nothing", func(f *File) {
			f.Leaves[7].Entry = strings.Replace(f.Leaves[7].Entry, `"outcome":{`, `"0utcome":{`, 1)
		}},
		"NegativeIndex": {"there is none", func(f *File) { f.Leaves[0].Index = -1 }},
	} {
		t.Run(name, func(t *testing.T) {
			forged := genuine
			forged.Leaves = slices.Clone(genuine.Leaves)
			tt.forge(&forged)
			if r, err := check(t, forged, verifier); err == nil {
				t.Errorf("it was taken: %s\n%v", tt.reason, r.Proves)
			}
		})
	}
	if _, err := check(t, genuine, verifier); err != nil {
		t.Fatal(err)
	}
}

// FuzzVerifyProof: whatever a file holds, it is refused or proves what it says.
func FuzzVerifyProof(f *testing.F) {
	genuine, verifier := proven(f)
	b, err := json.Marshal(genuine)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"version":"sallyport/proof/v1","call":"","checkpoint":"","leaves":[{"index":0,"leaf":"{}","inclusion":[]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Verify(data, Options{Verifiers: note.VerifierList(verifier)})
		if err == nil && r.Call != genuine.Call {
			t.Errorf("it proves something of call %s", r.Call)
		}
	})
}
