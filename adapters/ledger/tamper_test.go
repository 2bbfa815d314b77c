package ledger_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/sallyporttest"

	_ "modernc.org/sqlite"
)

// editor is a user who can write to the database.
type editor struct {
	t     testing.TB
	conn  *sql.Conn
	close func()
}

func (p place) edit(t testing.TB) editor {
	t.Helper()
	db, err := sql.Open("sqlite", p.path+"?_pragma=busy_timeout(5000)&_pragma=synchronous(0)&_pragma=ignore_check_constraints(1)")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	e := editor{t: t, conn: conn, close: func() {
		_ = conn.Close()
		_ = db.Close()
	}}
	t.Cleanup(e.close)
	return e
}

func (e editor) exec(text string, args ...any) {
	e.t.Helper()
	if _, err := e.conn.ExecContext(context.Background(), text, args...); err != nil {
		e.t.Fatalf("%s: %v", text, err)
	}
}

// tamper drops the triggers for its change and creates them again, to hide it.
func (p place) tamper(t testing.TB, text string, args ...any) {
	t.Helper()
	e := p.edit(t)
	defer e.close()
	var drop, restore []string
	for _, r := range e.rows("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'") {
		drop = append(drop, "DROP TRIGGER "+r[0].(string))
		restore = append(restore, r[1].(string))
	}
	e.exec("BEGIN; " + strings.Join(drop, ";"))
	e.exec(text, args...)
	e.exec(strings.Join(restore, ";") + "; COMMIT")
}

func (e editor) rows(text string) [][]any {
	e.t.Helper()
	_, all := rowsOf(e.t, e.conn, text)
	return all
}

// copyTo makes the same ledger elsewhere.
func (p place) copyTo(t testing.TB, dir string) place {
	t.Helper()
	from, err := os.Open(p.path)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	c := place{path: filepath.Join(dir, "ledger.db"), key: p.key}
	to, err := os.Create(c.path)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	return c
}

// sample is a closed ledger with a few calls and several checkpoints.
func sample(t testing.TB) place {
	t.Helper()
	p := newPlace(t)
	for n := range 2 {
		l := p.open(t)
		freeze, _ := freezing(byte(n), sallyport.Freeze{Tool: "gitops_set_image"})
		mustRecord(t, l, append(sallyporttest.Approved(n)[:8-4*n:8-4*n], freeze)...)
		mustClose(t, l)
	}
	return p
}

// mustBeFound verifies a ledger that was changed, and wants a finding.
func mustBeFound(t *testing.T, p place, change string) {
	t.Helper()
	r, err := p.verify(t)
	if err == nil && r.OK() {
		t.Errorf("not found: %s", change)
	}
}

// tablesOfLedger are all but those in which the migrations count: what these say
// is no evidence, and the schema itself is compared.
const tablesOfLedger = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN ('goose_db_version', 'sqlite_sequence') ORDER BY name"

// TestEveryStoredValue changes every value of every row of every table, one
// at a time: each has to be found.
func TestEveryStoredValue(t *testing.T) {
	sallyporttest.Exhaustive(t)
	p := sample(t)
	original := p.edit(t)
	changes := 0
	for _, name := range original.rows(tablesOfLedger) {
		table := name[0].(string)
		t.Run(table, func(t *testing.T) {
			columns := original.rows(fmt.Sprintf("SELECT name FROM pragma_table_info('%s')", table))
			key := columns[0][0].(string)
			for n, row := range original.rows("SELECT * FROM " + table) {
				for c, column := range columns {
					for _, forged := range forgeries(row[c], n) {
						e := p.copyTo(t, t.TempDir())
						change := fmt.Sprintf("%s.%s of row %v: %.60v becomes %.60v", table, column[0], row[0], row[c], forged)
						e.tamper(t, fmt.Sprintf("UPDATE OR REPLACE %s SET %s = $1 WHERE %s = $2", table, column[0], key), forged, row[0])
						mustBeFound(t, e, change)
						changes++
					}
				}
			}
		})
	}
	if changes < 500 {
		t.Errorf("only %d changes were tried", changes)
	}
}

// forgeries are other values than v. Of long ones, a few bytes are changed:
// others in every row.
func forgeries(v any, row int) []any {
	switch v := v.(type) {
	case int64:
		return []any{v + 1, v + 1000}
	case string:
		return []any{v + "x", "x" + v}
	case []byte:
		var all []any
		for _, at := range []int{0, (row*37 + 11) % len(v), len(v) - 1} {
			b := append([]byte(nil), v...)
			b[at] ^= 1
			all = append(all, b)
		}
		return append(all, v[:len(v)-1], append(append([]byte(nil), v...), ' '))
	default:
		return nil
	}
}

// TestEveryStoredRow deletes every row of every table, one at a time.
func TestEveryStoredRow(t *testing.T) {
	sallyporttest.Exhaustive(t)
	p := sample(t)
	original := p.edit(t)
	for _, name := range original.rows(tablesOfLedger) {
		table := name[0].(string)
		key := original.rows(fmt.Sprintf("SELECT name FROM pragma_table_info('%s')", table))[0][0].(string)
		for _, row := range original.rows(fmt.Sprintf("SELECT %s FROM %s", key, table)) {
			e := p.copyTo(t, t.TempDir())
			e.tamper(t, fmt.Sprintf("DELETE FROM %s WHERE %s = $1", table, key), row[0])
			mustBeFound(t, e, fmt.Sprintf("row %v of %s was deleted", row[0], table))
		}
	}
}

func TestTampering(t *testing.T) {
	p := sample(t)
	last := p.edit(t).rows("SELECT note FROM checkpoints ORDER BY seq DESC LIMIT 1")[0][0].([]byte)
	for name, tt := range map[string]struct{ reason, change string }{
		"SwappedLeaves": {"the order of what happened is evidence", `
			UPDATE leaves SET idx = -1 WHERE idx = 2; UPDATE leaves SET idx = 2 WHERE idx = 3; UPDATE leaves SET idx = 3 WHERE idx = -1`},
		"SwappedContents": {"contents belong to their leaf", `
			UPDATE contents SET idx = -1 WHERE idx = 2; UPDATE contents SET idx = 2 WHERE idx = 3; UPDATE contents SET idx = 3 WHERE idx = -1`},
		"SwappedNumbers": {"so does the number in the call", `
			UPDATE leaves SET number = -1 WHERE idx = 2; UPDATE leaves SET number = 2 WHERE idx = 3; UPDATE leaves SET number = 3 WHERE idx = 2`},
		"InsertedLeaf": {"a leaf without a checkpoint that covers it", `
			INSERT INTO leaves SELECT idx + 1, 'x', 0, kind, key, leaf FROM leaves ORDER BY idx DESC LIMIT 1`},
		"InsertedNode":    {"the tree has none there", `INSERT INTO nodes SELECT max(idx) + 1, hash FROM nodes`},
		"InsertedContent": {"there is no leaf for it", `INSERT INTO contents SELECT max(idx) + 1, entry FROM contents`},
		"InsertedSalt":    {"there is no call for it", `INSERT INTO salts VALUES ('x', zeroblob(32))`},
		"InsertedCall": {"it was never received", `
			INSERT INTO calls SELECT 'x', state, final, agent, tool, namespace, arguments, received_at, updated_at, entries, record, bytes FROM calls LIMIT 1`},
		"InsertedCheckpoint": {"the same is not signed twice", `
			INSERT INTO checkpoints SELECT max(seq) + 1, 1000, note FROM checkpoints; UPDATE head SET checkpoints = checkpoints + 1`},
		"NothingLeft": {"even an empty log has a checkpoint", `
			DELETE FROM leaves; DELETE FROM nodes; DELETE FROM checkpoints; DELETE FROM salts; DELETE FROM contents; DELETE FROM calls;
			UPDATE head SET size = 0, checkpoints = 0, hash = x'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'`},
		"NoHead":        {"there is always one", `DELETE FROM head`},
		"OtherState":    {"the record is what the entries add up to", `UPDATE calls SET state = 'denied', record = CAST(replace(record, '"succeeded"', '"denied"') AS BLOB)`},
		"DroppedIndex":  {"it holds up the order", `DROP INDEX calls_agent`},
		"DroppedGuard":  {"it keeps accidents away", `DROP TABLE IF EXISTS x; CREATE TABLE x (a)`},
		"ErasedSalt":    {"without it the contents prove nothing", `UPDATE salts SET salt = NULL`},
		"ErasedContent": {"one step of a call can't be erased", `UPDATE contents SET entry = NULL WHERE idx = 4`},
	} {
		t.Run(name, func(t *testing.T) {
			e := p.copyTo(t, t.TempDir())
			e.tamper(t, tt.change)
			mustBeFound(t, e, tt.reason)
		})
	}
	t.Run("OtherKey", func(t *testing.T) {
		e := p.copyTo(t, t.TempDir())
		e.key = newPlace(t).key
		mustBeFound(t, e, "another key signed it")
	})
	t.Run("SetBack", func(t *testing.T) {
		old := newPlace(t)
		old.key = p.key
		l := old.open(t)
		mustRecord(t, l, sallyporttest.Approved(0)...)
		mustClose(t, l)
		old.mustVerify(t)
		if r, err := old.verify(t, last); err != nil || r.OK() {
			t.Errorf("a log that was set back behind a known checkpoint was accepted: %v", err)
		}
		if r, err := p.verify(t, last); err != nil || !r.OK() {
			t.Errorf("a known checkpoint of this log: %v, %v", r.Findings, err)
		}
	})
	t.Run("Rewritten", func(t *testing.T) { testRewritten(t, p) })
	t.Run("NotThere", func(t *testing.T) {
		gone := place{path: filepath.Join(t.TempDir(), "none.db"), key: p.key}
		if _, err := gone.verify(t); err == nil {
			t.Error("a ledger that is not there was verified")
		}
		if _, err := os.Stat(gone.path); err == nil {
			t.Error("verifying made a file")
		}
	})
	t.Run("NoVerifiers", func(t *testing.T) {
		if _, err := ledger.Verify(t.Context(), ledger.VerifyOptions{Database: p.database()}); err == nil {
			t.Error("verified without a key")
		}
	})
}

// testRewritten forges a whole log that is sound in itself, and puts the
// genuine checkpoints into it: all that a forger lacks is the key.
func testRewritten(t *testing.T, genuine place) {
	forged := newPlace(t)
	l := forged.open(t)
	mustRecord(t, l, sallyporttest.Approved(7)[:8]...)
	mustRecord(t, l, sallyporttest.Approved(8)[:4]...)
	mustClose(t, l)
	forged.mustVerify(t)
	forged.key = genuine.key
	forged.tamper(t, "DELETE FROM checkpoints")
	for _, c := range genuine.edit(t).rows("SELECT seq, size, note FROM checkpoints") {
		forged.tamper(t, "INSERT INTO checkpoints VALUES ($1, $2, $3)", c...)
		forged.tamper(t, "UPDATE head SET checkpoints = $1", c[0].(int64)+1)
	}
	mustBeFound(t, forged, "the leaves are not those that were signed")

	// Nor is a log that goes on from there signed: here the last genuine
	// checkpoint covers fewer than the 12 forged leaves. How many there are
	// depends on how often the genuine log was signed while it was written.
	forged.tamper(t, "DELETE FROM checkpoints WHERE size >= 12; UPDATE head SET checkpoints = (SELECT max(seq) + 1 FROM checkpoints)")
	_, err := ledger.Open(t.Context(), ledger.Options{Database: forged.database(), Signer: genuine.key})
	if err == nil || !strings.Contains(err.Error(), "is not the beginning") {
		t.Errorf("opening a forged log: %v", err)
	}
}
