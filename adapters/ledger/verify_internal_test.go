package ledger

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

	"golang.org/x/mod/sumdb/note"

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
