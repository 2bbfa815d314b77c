package ledger_test

import (
	"encoding/json"
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

// TestProofOfOpenCall: the gateway signs how many leaves a call has that has not
// ended. The archive, which has no key, does not, and the proof says what it lacks.
func TestProofOfOpenCall(t *testing.T) {
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		p := newPlace(t)
		l := p.open(t)
		ended, open := sallyporttest.Approved(1), sallyporttest.Approved(2)[:5]
		mustRecord(t, l, append(ended, open...)...)
		for _, contents := range []bool{true, false} {
			file, err := l.Prove(t.Context(), open[0].CallID, contents)
			if err != nil {
				t.Fatal(err)
			}
			said := mustProve(t, p, file)
			if !strings.Contains(said, "it had 5 leaves, which are these") || strings.Contains(said, "later ones may") {
				t.Errorf("the gateway's proof says:\n%s", said)
			}
			var made proof.File
			if err := json.Unmarshal(file, &made); err != nil {
				t.Fatal(err)
			}
			made.Leaves = made.Leaves[:3]
			if r, err := p.check(t, made); err == nil {
				t.Errorf("the first 3 of 5 leaves were taken: %v", r.Proves)
			}
		}
		if file, err := l.Prove(t.Context(), ended[0].CallID, false); err != nil || strings.Contains(string(file), `"count"`) {
			t.Errorf("a call that has ended: %v, %s", err, file)
		}
		made, err := p.archive(t).Prove(t.Context(), open[0].CallID, true)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := p.check(t, made); err != nil || !strings.Contains(strings.Join(r.Not, "\n"), "later ones may have been left out") {
			t.Errorf("%v: the archive's proof does not prove %v", err, r.Not)
		}
	})
}
