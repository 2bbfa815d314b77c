package ledger_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
	"github.com/sallyport/sallyport/sallyporttest"
)

// proven is a ledger with a few calls, and the proof of one that was approved.
func proven(t testing.TB, p place, contents bool) (proof.File, string) {
	t.Helper()
	l := p.open(t)
	freeze, lift := freezing(1, sallyport.Freeze{Tool: "gitops_set_image"})
	mustRecord(t, l, sallyporttest.Approved(0)...)
	mustRecord(t, l, freeze)
	mustRecord(t, l, sallyporttest.Approved(1)...)
	mustRecord(t, l, lift)
	mustRecord(t, l, sallyporttest.Approved(2)[:4]...)
	id := sallyporttest.Approved(1)[0].CallID
	b, err := l.Prove(t.Context(), id, contents)
	if err != nil {
		t.Fatal(err)
	}
	var made proof.File
	if err := json.Unmarshal(b, &made); err != nil {
		t.Fatal(err)
	}
	return made, id
}

func (p place) check(t testing.TB, made proof.File) (proof.Statement, error) {
	t.Helper()
	b, err := json.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	return proof.Verify(b, proof.Options{Verifiers: note.VerifierList(p.key.Verifier())})
}

// TestProof: what the ledger says of a call is verified with the public key
// alone, with what it commits to and without.
func TestProof(t *testing.T) {
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		for name, contents := range map[string]bool{"Opened": true, "Closed": false} {
			t.Run(name, func(t *testing.T) {
				p := newPlace(t)
				made, id := proven(t, p, contents)
				r, err := p.check(t, made)
				if err != nil || r.Call != id {
					t.Fatalf("%+v, %v", r, err)
				}
				said := strings.Join(append(r.Proves, r.Not...), "\n")
				for _, want := range []string{"agent deploy-bot for tool gitops_scale_deployment", "a vote counted: approve", "ended as succeeded", "rest on the API's word"} {
					if !strings.Contains(said, want) {
						t.Errorf("it does not say %q:\n%s", want, said)
					}
				}
				for _, personal := range []string{"bob", "alice", "p95 latency"} {
					b, _ := json.Marshal(made)
					if !contents && (strings.Contains(said, personal) || strings.Contains(string(b), personal)) {
						t.Errorf("a closed proof tells of %s", personal)
					}
				}
				if contents != strings.Contains(said, "that was bob") {
					t.Errorf("who voted: %s", said)
				}
			})
		}
	})
}

// TestProofOfFreeze: a freeze is proven as a call is.
func TestProofOfFreeze(t *testing.T) {
	p := newPlace(t)
	l := p.open(t)
	freeze, lift := freezing(1, sallyport.Freeze{Agent: "deploy-bot"})
	mustRecord(t, l, freeze, lift)
	if _, err := l.Prove(t.Context(), sallyporttest.Approved(1)[0].CallID, true); sallyport.KindOf(err) != sallyport.NotFound {
		t.Errorf("a call that is not there: %v", err)
	}
	b, err := l.Prove(t.Context(), freeze.CallID, true)
	if err != nil {
		t.Fatal(err)
	}
	r, err := proof.Verify(b, proof.Options{Verifiers: note.VerifierList(p.key.Verifier())})
	if err != nil || !strings.Contains(strings.Join(r.Proves, "\n"), "a freeze began of agent deploy-bot") {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestForgedProofs changes proofs as somebody would who has something to hide.
func TestForgedProofs(t *testing.T) {
	p := newPlace(t)
	genuine, _ := proven(t, p, true)
	other := newPlace(t)
	stranger, _ := proven(t, other, true)
	for name, tt := range map[string]struct {
		reason string
		forge  func(*proof.File)
	}{
		"LeafLeftOut":  {"a refused vote could be hidden", func(f *proof.File) { f.Leaves = slices.Delete(f.Leaves, 4, 5) }},
		"FirstLeftOut": {"it begins with its receipt", func(f *proof.File) { f.Leaves = f.Leaves[1:] }},
		"Swapped":      {"the order is evidence", func(f *proof.File) { f.Leaves[2], f.Leaves[3] = f.Leaves[3], f.Leaves[2] }},
		"Twice":        {"once is once", func(f *proof.File) { f.Leaves = append(f.Leaves, f.Leaves[7]) }},
		"OtherIndex":   {"it stands elsewhere", func(f *proof.File) { f.Leaves[1].Index++ }},
		"OtherCall":    {"they are of this call", func(f *proof.File) { f.Call = sallyporttest.Approved(2)[0].CallID }},
		"OtherKey":     {"another log's checkpoint", func(f *proof.File) { f.Checkpoint = stranger.Checkpoint }},
		"OtherLog":     {"another log's leaves", func(f *proof.File) { f.Leaves = stranger.Leaves }},
		"EntryLeftOut": {"what was opened is opened as a whole", func(f *proof.File) { f.Leaves[5].Entry = "" }},
		"SaltLeftOut":  {"without it nothing is opened", func(f *proof.File) { f.Salt = nil }},
		"OtherPerson":  {"the leaf commits to who it was", func(f *proof.File) { f.Leaves[5].Entry = strings.ReplaceAll(f.Leaves[5].Entry, "bob", "eve") }},
		"OtherReason":  {"and to all that the entry holds", func(f *proof.File) { f.Leaves[0].Entry = strings.ReplaceAll(f.Leaves[0].Entry, "latency", "urgency") }},
		"NoLeaves":     {"nothing is no proof", func(f *proof.File) { f.Leaves = nil }},
		"NoInclusion":  {"each has to be shown to be there", func(f *proof.File) { f.Leaves[3].Inclusion = nil }},
		"OtherVersion": {"it is something else", func(f *proof.File) { f.Version = "sallyport/proof/v9" }},
		"NoCheckpoint": {"nobody signed", func(f *proof.File) { f.Checkpoint = "" }},
		"NotCanonical": {"it would have another hash", func(f *proof.File) { f.Leaves[0].Leaf = " " + f.Leaves[0].Leaf }},
		"EmptyEntry": {"it records nothing", func(f *proof.File) {
			f.Leaves[7].Entry = strings.Replace(f.Leaves[7].Entry, `"outcome":{`, `"0utcome":{`, 1)
		}},
		"NegativeIndex": {"there is none", func(f *proof.File) { f.Leaves[0].Index = -1 }},
	} {
		t.Run(name, func(t *testing.T) {
			forged := genuine
			forged.Leaves = slices.Clone(genuine.Leaves)
			tt.forge(&forged)
			if r, err := p.check(t, forged); err == nil {
				t.Errorf("it was taken: %s\n%v", tt.reason, r.Proves)
			}
		})
	}
	if _, err := p.check(t, genuine); err != nil {
		t.Fatal(err)
	}
}

// FuzzVerifyProof: whatever a file holds, it is refused or proves what it says.
func FuzzVerifyProof(f *testing.F) {
	p := newPlace(f)
	genuine, _ := proven(f, p, true)
	b, err := json.Marshal(genuine)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"version":"sallyport/proof/v1","call":"","checkpoint":"","leaves":[{"index":0,"leaf":"{}","inclusion":[]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := proof.Verify(data, proof.Options{Verifiers: note.VerifierList(p.key.Verifier())})
		if err == nil && r.Call != genuine.Call {
			t.Errorf("it proves something of call %s", r.Call)
		}
	})
}
