package compat

import (
	"context"
	"encoding/json"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
	"github.com/sallyport/sallyport/strict"
)

// openLedger opens a ledger, new ones with a new key.
func openLedger(t *testing.T, d ledger.Database) *ledger.Ledger {
	t.Helper()
	key, err := ledger.LoadOrCreateKey(d.Path+".key", "ledger.example")
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), ledger.Options{Database: d, Signer: key})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// The call and the freeze of the stored entries.
const (
	callID   = "aebagbafaydqqcikbmga2dqpca"
	freezeID = "74aaaaaaaaaaaaaaaaaaaaaaaa"
)

// storedEntries are entries as an earlier version stored them: a call with
// every kind of entry, and a freeze.
func storedEntries(t *testing.T) (lines []string, entries []sallyport.Entry) {
	t.Helper()
	lines = fixture(t, "entries.jsonl", nil)
	for _, line := range lines {
		var e sallyport.Entry
		if err := strict.Decode([]byte(line), &e); err != nil {
			t.Fatalf("an entry that an earlier version stored can't be read: %v\n%s", err, line)
		}
		entries = append(entries, e)
	}
	return lines, entries
}

// recorded is a ledger with the stored entries, its file, and its public key.
func recorded(t *testing.T) (l *ledger.Ledger, file, public string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "ledger.db")
	l = openLedger(t, ledger.Database{Path: file})
	t.Cleanup(func() { _ = l.Close() })
	_, entries := storedEntries(t)
	for _, e := range entries {
		if _, err := l.Record(t.Context(), e); err != nil {
			t.Fatalf("an entry of an earlier version can't be recorded: %v", err)
		}
	}
	key, err := ledger.LoadKey(file + ".key")
	if err != nil {
		t.Fatal(err)
	}
	return l, file, key.Public
}

// erase erases the contents of the call, and returns the leaf that says so.
func erase(t *testing.T, file string) int64 {
	t.Helper()
	e, err := ledger.OpenEraser(t.Context(), ledger.Database{Path: file})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	why := sallyport.Erasure{By: "audra", Reason: "retention"}
	r, err := e.Erase(t.Context(), callID, why, time.Date(2027, 1, 1, 0, 0, 0, 5, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return r.Index
}

// sealed matches commitments and pseudonyms. Each call has a random salt, so
// that they differ in each ledger.
var sealed = regexp.MustCompile(`hmac-sha256:[0-9a-f]{64}`)

// TestLedger pins the bytes of entries in the store, and of their leaves.
func TestLedger(t *testing.T) {
	l, file, _ := recorded(t)
	var entries, earlier, leaves []string
	export := func(x ledger.ExportedLeaf) error {
		entries = append(entries, string(x.Entry))
		earlier = append(earlier, sealed.ReplaceAllString(leafAs(t, "sallyport/leaf/v2", x), "hmac-sha256:…"))
		leaves = append(leaves, sealed.ReplaceAllString(string(x.Leaf), "hmac-sha256:…"))
		return nil
	}
	if err := l.Export(t.Context(), 0, true, export); err != nil {
		t.Fatal(err)
	}
	stored, _ := storedEntries(t)
	if err := l.Export(t.Context(), erase(t, file), true, export); err != nil {
		t.Fatal(err)
	}
	stored = append(stored, fixture(t, "erasure.jsonl", func() []string {
		return []string{"# The entry of an erasure, as an earlier version stored it. Do not rewrite it: ledgers hold such entries.", entries[len(entries)-1]}
	})...)
	if d := cmp.Diff(stored, entries); d != "" {
		t.Errorf("the ledger stores entries in another form: leaves that commit to stored ones do not verify (-earlier +now)\n%s", d)
	}
	pinned{
		"leaves.golden", "Leaves of entries.jsonl in the log, commitments left out",
		"ledgers and proofs that exist do not verify; a new form of leaves needs a new version, and the old one stays readable",
	}.hold(t, append(earlier, leaves...))
}

// leafAs is a leaf as an earlier version made it.
func leafAs(t *testing.T, version string, x ledger.ExportedLeaf) string {
	t.Helper()
	e, err := proof.DecodeEntry(x.Entry)
	if err != nil {
		t.Fatal(err)
	}
	l, err := proof.ParseLeaf([]byte(x.Leaf))
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := proof.LeafAs(version, e, l.Number, make([]byte, proof.SaltSize))
	if err != nil {
		t.Fatal(err)
	}
	return string(leaf)
}

// TestProofs verifies proofs that an earlier version made: a call's and a
// freeze's, with what their leaves commit to. They hold a public key, a signed
// checkpoint, leaves, inclusion proofs, salts and entries.
func TestProofs(t *testing.T) {
	lines := fixture(t, "proofs.jsonl", func() []string {
		l, _, public := recorded(t)
		lines := []string{"# A ledger's public key, and proofs that it made of the entries in entries.jsonl. Do not rewrite them: people keep such files.", public}
		for _, id := range []string{callID, freezeID} {
			made, err := l.Prove(t.Context(), id, true)
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, string(made))
		}
		return lines
	})
	verifiers, err := proof.Verifiers(lines[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, made := range lines[1:] {
		if _, err := proof.Verify([]byte(made), proof.Options{Verifiers: verifiers}); err != nil {
			t.Errorf("a proof of an earlier version does not verify: %v", err)
		}
	}
}

// TestNewProof verifies a proof that this version makes, and pins its text.
func TestNewProof(t *testing.T) {
	l, _, public := recorded(t)
	var p struct {
		Version    string `json:"version"`
		Checkpoint string `json:"checkpoint"`
	}
	// A checkpoint is signed some time after an entry: a proof takes the first
	// one that covers the call, which need not be the last.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var made []byte
	for !strings.HasPrefix(p.Checkpoint, "ledger.example\n15\n") {
		if ctx.Err() != nil {
			t.Fatalf("no checkpoint of the whole log was signed: the last is %q", p.Checkpoint)
		}
		var err error
		if made, err = l.Prove(t.Context(), callID, true); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(made, &p); err != nil {
			t.Fatal(err)
		}
	}
	verifiers, err := proof.Verifiers(public)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := proof.Verify(made, proof.Options{Verifiers: verifiers}); err != nil {
		t.Error(err)
	}
	hash := regexp.MustCompile(`(?m)^[A-Za-z0-9+/]{43}=$|^(— ledger\.example ).*$`)
	pinned{
		"checkpoint.golden", "Version of a proof, and the text of a checkpoint, hash and signature left out",
		"verifiers and witnesses of others can't read checkpoints",
	}.hold(t, []string{p.Version, strconv.Quote(hash.ReplaceAllString(p.Checkpoint, "$1…"))})
}
