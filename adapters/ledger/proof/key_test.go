package proof

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport/sallyport/sallyporttest"
)

// TestReplacedKey: a key that was replaced counts up to the size at which it was, in
// checkpoints, counts, proofs and published logs. It may be in other hands.
func TestReplacedKey(t *testing.T) {
	private, public, err := note.GenerateKey(rand.Reader, "ledger.example")
	if err != nil {
		t.Fatal(err)
	}
	l := newLog(t)
	if l.signer, err = note.NewSigner(private); err != nil {
		t.Fatal(err)
	}
	story := sallyporttest.Approved(1)
	if l.verifier, err = ParseVerifier(public); err != nil {
		t.Fatal(err)
	}
	f := l.add(story...).file(story[0].CallID)
	counted := l.counted(f, func(*Count) {})
	for size, want := range map[int64]bool{7: false, 8: true, 9: true, 1 << 40: true} {
		v, err := ParseVerifier(fmt.Sprintf("%s@%d\n", public, size))
		if err != nil {
			t.Fatal(err)
		}
		keys := note.VerifierList(v)
		_, checkpoint := OpenCheckpoint([]byte(f.Checkpoint), keys)
		_, count := OpenCount([]byte(counted.Count), keys)
		b, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		_, proven := Verify(b, Options{Verifiers: keys})
		l.verifier = v
		tiles := l.verifyTiles()
		for what, err := range map[string]error{"checkpoint": checkpoint, "count": count, "proof": proven} {
			if (err == nil) != want || !want && !strings.Contains(err.Error(), "counts up to 7 leaves") {
				t.Errorf("the %s of 8 leaves, by a key that was replaced at %d: %v", what, size, err)
			}
		}
		if tiles.OK() != want {
			t.Errorf("a published log of 8 leaves, by a key that was replaced at %d: %v", size, tiles.Findings)
		}
	}
	for _, bad := range []string{"@", "@-1", "@07", "@1e3", "@ 7", "@7@8", "@99999999999999999999"} {
		if _, err := ParseVerifier(public + bad); err == nil {
			t.Errorf("the key with %q was taken", bad)
		}
	}
	v, err := ParseVerifier(public + "@8")
	if err != nil {
		t.Fatal(err)
	}
	other, err := note.Sign(&note.Note{Text: "something else\n"}, l.signer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open(other, note.VerifierList(v)); err == nil {
		t.Error("a replaced key counts for a note without a size")
	}
}
