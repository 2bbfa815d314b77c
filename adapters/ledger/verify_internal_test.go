package ledger

import (
	"database/sql"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
	"github.com/sallyport/sallyport/sallyporttest"
)

// TestSignedByMistake: an attacker with the database and without the key appends
// leaves that no gateway admits, and a gateway signs them. Verify finds them, also
// where the attacker erases the call, and makes the projection fit.
func TestSignedByMistake(t *testing.T) {
	whole := sallyporttest.Approved(1) // received, intent, decision, ballot, refusal, vote, start, outcome
	id, at := whole[0].CallID, whole[0].At
	erasure := sallyport.Entry{CallID: id, Kind: sallyport.EntryErasure, At: at.Add(time.Hour), Erasure: &sallyport.Erasure{By: "olga", Reason: "asked for"}}
	late := sallyport.Entry{CallID: id, Kind: sallyport.EntryRefusal, Key: "late", At: at.Add(2 * time.Hour), Refusal: whole[4].Refusal}
	for name, tt := range map[string]struct {
		entries []sallyport.Entry
		want    string // "" where nothing is wrong
	}{
		"Genuine":      {append(whole[:8:8], erasure), ""},
		"NoVote":       {append(append(whole[:5:5], whole[6:]...), erasure), "recorded votes"},
		"NoBallot":     {append(append(whole[:3:3], whole[6:]...), erasure), "recorded votes"},
		"AfterErasure": {append(whole[:8:8], erasure, late), "were erased"},
		"NotStarted":   {append(append(whole[:3:3], whole[7]), erasure), "never started"},
	} {
		t.Run(name, func(t *testing.T) {
			d := Database{Path: filepath.Join(t.TempDir(), "db")}
			key, err := CreateKey(filepath.Join(t.TempDir(), "key"), "ledger.example")
			if err != nil {
				t.Fatal(err)
			}
			sign(t, d, key)
			forge(t, d, tt.entries)
			if _, err := Rebuild(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			sign(t, d, key)
			r, err := Verify(t.Context(), VerifyOptions{Database: d, Verifiers: note.VerifierList(key.Verifier())})
			if err != nil {
				t.Fatal(err)
			}
			if found := fmt.Sprint(r.Findings); r.OK() != (tt.want == "") || !strings.Contains(found, tt.want) {
				t.Errorf("found %s, want %q", found, tt.want)
			}
		})
	}
}

// TestNewerLeaf: Verify counts a leaf of a later version, and says of its call
// neither that it was changed nor that it is whole.
func TestNewerLeaf(t *testing.T) {
	d := Database{Path: filepath.Join(t.TempDir(), "db")}
	key, err := CreateKey(filepath.Join(t.TempDir(), "key"), "ledger.example")
	if err != nil {
		t.Fatal(err)
	}
	sign(t, d, key)
	db, err := d.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := newWriter(db, Options{Logger: slog.New(slog.DiscardHandler)})
	e := sallyporttest.Approved(1)[0]
	salt := make([]byte, proof.SaltSize)
	err = w.transaction(t.Context(), func(tx *transaction) error {
		leaf, err := proof.LeafOf(e, 0, salt)
		if err != nil {
			return err
		}
		leaf = []byte(strings.Replace(string(leaf), `"version":"sallyport/leaf/v3"`, `"user":"later","version":"sallyport/leaf/v9"`, 1))
		tx.write(sqlAddSalt, e.CallID, salt)
		tx.addLeaf(sallyport.Receipt{Index: tx.edge.Size(), Entry: e}, "", []byte(`{"later":true}`), leaf)
		if err := tx.grow(leaf); err != nil {
			return err
		}
		return tx.setHead()
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	sign(t, d, key)
	r, err := Verify(t.Context(), VerifyOptions{Database: d, Verifiers: note.VerifierList(key.Verifier())})
	if err != nil || !r.OK() || r.Newer != 1 {
		t.Errorf("%v: %d newer leaves, findings %v", err, r.Newer, r.Findings)
	}
}

// sign opens a ledger, which signs what is there, and closes it.
func sign(t *testing.T, d Database, key Key) {
	t.Helper()
	l, err := Open(t.Context(), Options{Database: d, Signer: key})
	if err == nil {
		err = l.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// forge appends entries of one call that was erased, whatever they are.
func forge(t *testing.T, d Database, entries []sallyport.Entry) {
	t.Helper()
	db, err := d.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := newWriter(db, Options{Logger: slog.New(slog.DiscardHandler)})
	defer w.close()
	salt := make([]byte, proof.SaltSize)
	err = w.transaction(t.Context(), func(tx *transaction) error {
		tx.write(sqlAddSalt, entries[0].CallID, salt)
		for n, e := range entries {
			leaf, err := proof.LeafOf(e, n, salt)
			if err != nil {
				return err
			}
			var content []byte
			if e.Kind == sallyport.EntryErasure {
				if content, err = proof.Encode(e); err != nil {
					return err
				}
			}
			tx.addLeaf(sallyport.Receipt{Index: tx.edge.Size(), Number: n, Entry: e}, proof.SealKey(e.Key, salt), content, leaf)
			if err := tx.grow(leaf); err != nil {
				return err
			}
		}
		return tx.setHead()
	})
	if err != nil {
		t.Fatal(err)
	}
}

// bits flips each bit of a text, one at a time.
func bits(s string, try func(flipped string)) {
	for bit := range len(s) * 8 {
		b := []byte(s)
		b[bit/8] ^= 1 << (bit % 8)
		try(string(b))
	}
}

// TestEveryBitOfTheLog flips each bit of each stored leaf, node and checkpoint,
// one at a time: the log by itself shows that it was changed, whatever becomes of
// the store and the projection.
func TestEveryBitOfTheLog(t *testing.T) {
	sallyporttest.Exhaustive(t)
	path := filepath.Join(t.TempDir(), "db")
	key, err := CreateKey(filepath.Join(t.TempDir(), "key"), "ledger.example")
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(t.Context(), Options{Database: Database{Path: path}, Signer: key})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range sallyporttest.Approved(0)[:2] {
		if _, err := l.Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback() //nolint:errcheck // it is thrown away
	for _, table := range []string{"leaves", "nodes", "checkpoints"} {
		if _, err := tx.ExecContext(t.Context(), "DROP TRIGGER "+table+"_update"); err != nil {
			t.Fatal(err)
		}
	}
	noticed := func() bool {
		v := &verification{tx: tx, verifiers: note.VerifierList(key.Verifier())}
		if err := v.readCheckpoints(t.Context(), nil); err != nil {
			return true
		}
		return v.tree(t.Context()) != nil || v.head(t.Context()) != nil || !v.report.OK() || v.report.Unsigned > 0
	}
	if noticed() {
		t.Fatal("something is noticed where nothing was changed")
	}
	for _, c := range []struct{ table, key, column string }{{"leaves", "idx", "leaf"}, {"nodes", "idx", "hash"}, {"checkpoints", "seq", "note"}} {
		stored := map[int64][]byte{}
		err := each(t.Context(), tx, func(rows *sql.Rows) error {
			var n int64
			var b []byte
			err := rows.Scan(&n, &b)
			stored[n] = b
			return err
		}, fmt.Sprintf("SELECT %s, %s FROM %s", c.key, c.column, c.table))
		if err != nil || len(stored) < 2 {
			t.Fatalf("%d rows of %s, %v", len(stored), c.table, err)
		}
		update := fmt.Sprintf("UPDATE %s SET %s = $1 WHERE %s = $2", c.table, c.column, c.key)
		set := func(n int64, b []byte) {
			if _, err := tx.ExecContext(t.Context(), update, b, n); err != nil {
				t.Fatal(err)
			}
		}
		for n, genuine := range stored {
			bits(string(genuine), func(flipped string) {
				if set(n, []byte(flipped)); !noticed() {
					t.Errorf("row %d of %s: a bit of %q was flipped", n, c.table, genuine)
				}
			})
			set(n, genuine)
		}
	}
	if noticed() {
		t.Error("something is noticed when all is as it was")
	}
}
