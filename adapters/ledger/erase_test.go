package ledger_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
	"github.com/sallyport/sallyport/sallyporttest"
)

// wish is an erasure that olga orders.
func wish() sallyport.Erasure {
	return sallyport.Erasure{By: "olga", Reason: "its subject asked for it"}
}

// erasing is the ledger for who may erase.
func (p place) erasing(t testing.TB) *ledger.Eraser {
	t.Helper()
	d := p.database()
	if p.eraser != "" {
		d.DSN = p.eraser
	}
	e, err := ledger.OpenEraser(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// erase erases a call, in PostgreSQL by a gateway that is asked to.
func (p place) erase(t testing.TB, id string) {
	t.Helper()
	if p.dsn != "" {
		l := p.open(t)
		defer mustClose(t, l)
	}
	e := p.erasing(t)
	if _, err := e.Erase(t.Context(), id, wish(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestErase takes one call's contents out while the gateway has the ledger open:
// the log verifies, the call's proofs do, and the others stay as they were.
func TestErase(t *testing.T) {
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		p := newPlace(t)
		l := p.open(t)
		story, other := sallyporttest.Approved(1), sallyporttest.Approved(2)
		id := story[0].CallID
		mustRecord(t, l, append(story, other...)...)
		before, err := l.Prove(t.Context(), id, true)
		if err != nil {
			t.Fatal(err)
		}
		kept, err := l.Call(t.Context(), other[0].CallID)
		if err != nil {
			t.Fatal(err)
		}
		p.erase(t, id)
		eventually(t, "the gateway signs what it did not append", func() bool { return p.mustVerify(t).Unsigned == 0 })
		if r := p.mustVerify(t); !slices.Equal(r.Erased, []string{id}) || r.Leaves != 17 {
			t.Errorf("erased calls %v of %d leaves, want %s of 17", r.Erased, r.Leaves, id)
		}
		for _, contents := range []bool{true, false} {
			file, err := l.Prove(t.Context(), id, contents)
			if err != nil || bytes.Contains(file, []byte("p95 latency")) {
				t.Fatalf("%v, %.80s", err, file)
			}
			said := mustProve(t, p, file)
			if !strings.Contains(said, "contents were erased") || !strings.Contains(said, "ended as succeeded") {
				t.Errorf("its proof says:\n%s", said)
			}
		}
		if said := mustProve(t, p, before); strings.Contains(said, "contents were erased") {
			t.Errorf("a proof that was made before says:\n%s", said)
		}
		if _, err := l.Call(t.Context(), id); sallyport.CodeOf(err) != "erased" {
			t.Errorf("reading it: %v", err)
		}
		for _, e := range []sallyport.Entry{story[6], story[7], {CallID: id, Kind: sallyport.EntryRefusal, Key: "late", At: story[0].At, Refusal: story[4].Refusal}} {
			if _, err := l.Record(t.Context(), e); sallyport.CodeOf(err) != "erased" {
				t.Errorf("its %s was answered for: %v", e.Kind, err)
			}
		}
		found, err := l.Calls(t.Context(), sallyport.Query{Person: "bob"})
		if err != nil || len(found.Records) != 1 || cmp.Diff(mustJSON(t, kept.Summary()), mustJSON(t, found.Records[0])) != "" {
			t.Errorf("%d calls are found, %v; want the other one as it was", len(found.Records), err)
		}
	})
}

func mustProve(t *testing.T, p place, file []byte) string {
	t.Helper()
	var made proof.File
	if err := json.Unmarshal(file, &made); err != nil {
		t.Fatal(err)
	}
	r, err := p.check(t, made)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(append(r.Proves, r.Not...), "\n")
}

// TestEraseRefuses: what can't be erased stays as it is.
func TestEraseRefuses(t *testing.T) {
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		p := newPlace(t)
		l := p.open(t)
		ended, running := sallyporttest.Approved(1), sallyporttest.Approved(2)[:7]
		freeze, _ := freezing(1, sallyport.Freeze{Tool: "http_probe"})
		mustRecord(t, l, append(append(ended, running...), freeze)...)
		mustClose(t, l)
		p.erase(t, ended[0].CallID)
		e := p.erasing(t)
		for id, code := range map[string]string{
			ended[0].CallID: "erased", running[0].CallID: "not_ended", freeze.CallID: "no_such_call", sallyporttest.Approved(3)[0].CallID: "no_such_call", "none": "bad_entry",
		} {
			if _, err := e.Erase(t.Context(), id, wish(), time.Now()); sallyport.CodeOf(err) != code {
				t.Errorf("erasing %s: %v; want %s", id, err, code)
			}
		}
		if r := p.mustVerify(t); r.Leaves != 17 {
			t.Errorf("%d leaves, want 17", r.Leaves)
		}
	})
	if _, err := ledger.OpenEraser(t.Context(), ledger.Database{Path: t.TempDir() + "/none.db"}); err == nil {
		t.Error("a ledger was made to erase from it")
	}
}

// TestExpired lists what ended before a time.
func TestExpired(t *testing.T) {
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		p := newPlace(t)
		l := p.open(t)
		var ids []string
		for n := range 4 {
			story := sallyporttest.Approved(n)
			if n == 2 {
				story = story[:7] // it runs
			}
			mustRecord(t, l, story...)
			ids = append(ids, story[0].CallID)
		}
		p.erase(t, ids[0])
		e := p.erasing(t)
		last := sallyporttest.Approved(3)[7].At
		got, err := e.Expired(t.Context(), last)
		if d := cmp.Diff(ids[1:2], got); d != "" || err != nil {
			t.Errorf("%v (-want +got)\n%s", err, d)
		}
	})
}

// TestErasedByHand: Verify finds contents that are gone without an erasure's leaf.
func TestErasedByHand(t *testing.T) {
	p := newPlace(t)
	l := p.open(t)
	mustRecord(t, l, sallyporttest.Approved(1)...)
	mustRecord(t, l, sallyporttest.Approved(2)...)
	mustClose(t, l)
	p.erase(t, sallyporttest.Approved(2)[0].CallID)
	for name, change := range map[string]string{
		"All":          "UPDATE contents SET entry = NULL WHERE idx < 8; UPDATE salts SET salt = NULL; UPDATE calls SET record = NULL; DELETE FROM terms",
		"Record":       "UPDATE calls SET record = NULL",
		"ErasureAlone": "UPDATE contents SET entry = NULL WHERE idx = 16",
		"ErasedState":  "UPDATE calls SET state = 'denied' WHERE record IS NULL",
		"ErasedAgent":  "UPDATE calls SET agent = 'other' WHERE record IS NULL",
		"ErasedTool":   "UPDATE calls SET tool = 'other' WHERE record IS NULL",
		"ErasedWhere":  "UPDATE calls SET namespace = 'staging' WHERE record IS NULL",
		"ErasedWhen":   "UPDATE calls SET received_at = received_at + 1 WHERE record IS NULL",
		"ErasedSince":  "UPDATE calls SET updated_at = updated_at + 1 WHERE record IS NULL",
		"ErasedSalt":   "UPDATE salts SET salt = zeroblob(32)",
		"BroughtBack":  "UPDATE calls SET record = CAST('{}' AS BLOB) WHERE record IS NULL",
		"FoundAgain":   "INSERT OR IGNORE INTO terms SELECT 'person:bob', received_at, call_id FROM calls",
	} {
		t.Run(name, func(t *testing.T) {
			e := p.copyTo(t, t.TempDir())
			e.tamper(t, change)
			mustBeFound(t, e, "what was erased is said to be, and nothing else is gone")
		})
	}
}

// TestFindingsAreVisible: what Verify quotes of a changed database can't steer a
// terminal, hide itself or look like a line of the report.
func TestFindingsAreVisible(t *testing.T) {
	p := newPlace(t)
	l := p.open(t)
	mustRecord(t, l, sallyporttest.Approved(1)...)
	mustClose(t, l)
	p.exec(t, `UPDATE calls SET agent = 'bot' || char(27) || '[2K' || char(10) || 'nothing was changed' || char(8238)`)
	p.exec(t, `INSERT INTO salts (call_id, salt) VALUES ('a' || char(10) || 'nothing was changed', zeroblob(32))`)
	r, err := p.verify(t)
	if err != nil {
		t.Fatal(err)
	}
	quoted := 0
	for _, f := range r.Findings {
		if strings.ContainsAny(f.String(), "\x1b\n\u202e") {
			t.Errorf("a finding reads %q", f)
		}
		if strings.Contains(f.String(), `\u{000a}`) {
			quoted++
		}
	}
	if quoted != 5 { // the row, its three counters, and the salt
		t.Errorf("%d findings quote what was changed: %v", quoted, r.Findings)
	}
}

// TestGuessAfterErasure is an attack by guessing: an attacker has the whole
// database and knows a few arguments that are likely. Before the erasure the
// commitments and digests show which guess is right, and after it they don't.
func TestGuessAfterErasure(t *testing.T) {
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		p := newPlace(t)
		l := p.open(t)
		mustRecord(t, l, sallyporttest.Approved(1)...)
		mustRecord(t, l, sallyporttest.Approved(2)...)
		mustClose(t, l)
		call := sallyporttest.Approved(1)[0].Call
		intent := sallyporttest.Approved(1)[1].Intent
		guesses := map[string]string{
			"arguments": string(call.Arguments), "person": "bob", "name": `"` + intent.Name + `"`,
			"intent_digest": `"` + string(intent.Digest()) + `"`, "claims": `{"reason":"p95 latency above the objective","session":"s-42"}`,
		}
		want := slices.Sorted(maps.Keys(guesses))
		if got := p.guess(t, call.ID, guesses); !slices.Equal(got, want) {
			t.Fatalf("the attack confirms %v, and should confirm %v before anything is erased", got, want)
		}
		p.erase(t, call.ID)
		if got := p.guess(t, call.ID, guesses); len(got) > 0 {
			t.Errorf("the attack confirms %v after the erasure", got)
		}
		digests := []sallyport.Digest{intent.Digest(), sallyport.NewDigest("sallyport/arguments/v1", call.Arguments)}
		for _, row := range p.dump(t) {
			for _, d := range digests {
				if strings.Contains(row, call.ID) && strings.Contains(row, string(d)) {
					t.Errorf("an unsalted digest is left in %.200s", row)
				}
			}
		}
	})
}

// guess tries guesses against the commitments of a call's leaves, under every
// salt that the database holds, and returns which of them are right.
func (p place) guess(t *testing.T, callID string, guesses map[string]string) []string {
	t.Helper()
	rows := p.dump(t)
	var salts [][]byte
	leaves := ""
	for _, row := range rows {
		if name, value, _ := strings.Cut(row, " "); name == "salts" {
			_, salt, _ := strings.Cut(value, "|")
			salts = append(salts, []byte(salt))
		} else if strings.Contains(row, callID) && name == "leaves" {
			leaves += row
		}
	}
	right := map[string]bool{}
	for domain, guess := range guesses {
		for _, salt := range append(salts, make([]byte, 32), nil) {
			h := hmac.New(sha256.New, salt)
			h.Write([]byte("sallyport/commitment/v1/" + domain + "\x00" + guess))
			if strings.Contains(leaves, hex.EncodeToString(h.Sum(nil))) {
				right[domain] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(right))
}

// dump is all that the database holds, row by row.
func (p place) dump(t *testing.T) (all []string) {
	t.Helper()
	for _, table := range []string{"leaves", "salts", "contents", "calls", "terms"} {
		var rows [][]any
		if p.path != "" {
			rows = p.edit(t).rows("SELECT * FROM " + table)
		} else {
			_, rows = rowsOf(t, connect(t, p.owner), "SELECT * FROM "+table)
		}
		for _, row := range rows {
			text := make([]string, len(row))
			for i, v := range row {
				if b, ok := v.([]byte); ok {
					v = string(b)
				}
				text[i] = fmt.Sprint(v)
			}
			all = append(all, table+" "+strings.Join(text, "|"))
		}
	}
	return all
}

// TestErasedFromFile looks for what was erased in the bytes of the database's
// files.
func TestErasedFromFile(t *testing.T) {
	p := newPlace(t)
	l := p.open(t)
	story := sallyporttest.Approved(1)
	story[0].Call.Arguments = json.RawMessage(`{"note":"a secret of the subject` + strings.Repeat(" and more", 2000) + `"}`)
	mustRecord(t, l, story...)
	has := func() bool {
		found := false
		for _, suffix := range []string{"", "-wal"} {
			b, err := os.ReadFile(p.path + suffix)
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			found = found || bytes.Contains(b, []byte("a secret of the subject")) || bytes.Contains(b, []byte("person:bob"))
		}
		return found
	}
	if !has() {
		t.Fatal("it is not there before either")
	}
	p.erase(t, story[0].CallID)
	if has() {
		t.Error("it is in the files still")
	}
	p.mustVerify(t)
}

// TestEraserRole: the eraser's role may ask for an erasure, and nothing else. It
// can't read what calls were about, nor write to the log: a role that could
// append a leaf could end a call that waits for people.
func TestEraserRole(t *testing.T) {
	p := onPostgres(t)(t)
	l := p.open(t)
	mustRecord(t, l, sallyporttest.Approved(1)...)
	mustRecord(t, l, sallyporttest.Approved(2)[:4]...) // it waits for people
	mustClose(t, l)
	owner, db := connect(t, p.owner), connect(t, p.eraser)
	_, tables := rowsOf(t, owner, "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
	if len(tables) < 10 {
		t.Fatalf("the schema has the tables %v", tables)
	}
	if _, err := owner.ExecContext(t.Context(), "GRANT INSERT ON leaves, nodes, contents TO eraser; GRANT UPDATE ON head, calls TO eraser; GRANT UPDATE (entry) ON contents TO eraser"); err != nil {
		t.Fatal(err) // as an earlier version granted it
	}
	if err := ledger.Migrate(t.Context(), p.owner, ledger.Roles{Gateway: gateway, Eraser: eraser}); err != nil {
		t.Fatal(err)
	}
	refused := func(text string) {
		t.Helper()
		_, err := db.ExecContext(t.Context(), text)
		if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != "42501" { // insufficient_privilege
			t.Errorf("the eraser's role may %s: %v", text, err)
		}
	}
	for _, row := range tables {
		table := fmt.Sprint(row[0])
		for _, text := range []string{
			"DELETE FROM " + table, "TRUNCATE " + table, "DROP TABLE " + table, "INSERT INTO " + table + " SELECT * FROM " + table,
			"CREATE TRIGGER quiet BEFORE INSERT ON " + table + " FOR EACH ROW EXECUTE FUNCTION head_only_grows()", "DO 'BEGIN LOCK TABLE " + table + " IN EXCLUSIVE MODE; END'",
		} {
			if !slices.Contains(eraserMay, text) {
				refused(text)
			}
		}
		columns, _ := rowsOf(t, owner, "SELECT * FROM "+table+" LIMIT 0")
		for _, c := range columns {
			for _, text := range []string{
				"UPDATE " + table + " SET " + c + " = DEFAULT", "INSERT INTO " + table + " (" + c + ") VALUES (DEFAULT)", "SELECT " + c + " FROM " + table,
			} {
				if !slices.Contains(eraserMay, text) {
					refused(text)
				}
			}
		}
	}
	for _, text := range []string{
		"INSERT INTO erasures (call_id, reason, asked_by) VALUES ('a', 'b', 'alice')", "CREATE TABLE more (a text)", "SET session_replication_role = replica",
		"SET SESSION AUTHORIZATION gateway", "SET ROLE gateway", `SELECT erase_contents('` + sallyporttest.Approved(1)[0].CallID + `', '\x' || repeat('00', 32)::bytea)`,
		"CREATE OR REPLACE FUNCTION erasure_asked() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
	} {
		refused(text)
	}
	p.mustVerify(t)
}

// eraserMay is what TestEraserRole tries that the eraser's role needs.
var eraserMay = []string{
	"SELECT call_id FROM calls", "SELECT final FROM calls", "SELECT updated_at FROM calls",
	"SELECT idx FROM leaves", "SELECT call_id FROM leaves", "SELECT kind FROM leaves",
	"INSERT INTO erasures (call_id) VALUES (DEFAULT)", "INSERT INTO erasures (reason) VALUES (DEFAULT)", "SELECT call_id FROM erasures",
	"SELECT id FROM goose_db_version", "SELECT version_id FROM goose_db_version",
	"SELECT is_applied FROM goose_db_version", "SELECT tstamp FROM goose_db_version",
}

// TestErasureByRequest: the leaf of an erasure names the role that asked, whatever
// the eraser says. The gateway empties contents for a request of the eraser alone.
func TestErasureByRequest(t *testing.T) {
	p := onPostgres(t)(t)
	l := p.open(t)
	first, second := sallyporttest.Approved(1), sallyporttest.Approved(2)
	mustRecord(t, l, append(first, second...)...)
	e := p.erasing(t)
	r, err := e.Erase(t.Context(), first[0].CallID, wish(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var said ledger.ExportedLeaf
	if err := l.Export(t.Context(), r.Index, true, func(x ledger.ExportedLeaf) error { said = x; return nil }); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(said.Entry), `"erasure":{"by":"`+eraser+`","reason":"its subject asked for it"}`) {
		t.Errorf("the leaf %d commits to %s", r.Index, said.Entry)
	}
	eventually(t, "the erasure is signed", func() bool { return p.mustVerify(t).Unsigned == 0 })

	// The gateway does it without a request neither by its code nor by hand.
	order := wish()
	if _, err := l.Record(t.Context(), sallyport.Entry{CallID: second[0].CallID, Kind: sallyport.EntryErasure, At: time.Now(), Erasure: &order}); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("the gateway erased a call without a request: %v", err)
	}
	db := connect(t, p.dsn)
	for _, text := range []string{
		"UPDATE contents SET entry = NULL", "UPDATE salts SET salt = NULL", "DELETE FROM terms", "INSERT INTO erasures (call_id, reason) VALUES ('a', 'b')",
		`SELECT erase_contents('` + second[0].CallID + `', '\x' || repeat('00', 32)::bytea)`,
		"CREATE TEMPORARY TABLE erasures AS SELECT '" + second[0].CallID + "' AS call_id; CREATE TEMPORARY TABLE leaves AS SELECT '" + second[0].CallID + "' AS call_id, 'erasure' AS kind, 8 AS idx; " +
			`SELECT erase_contents('` + second[0].CallID + `', '\x' || repeat('00', 32)::bytea)`,
	} {
		if _, err := db.ExecContext(t.Context(), text); err == nil {
			t.Errorf("the gateway's role may %s", text)
		}
	}

	// What can't be erased is refused, and the request is gone.
	asked := connect(t, p.eraser)
	if _, err := asked.ExecContext(t.Context(), "INSERT INTO erasures (call_id, reason) VALUES ($1, 'again'), ('no call', 'x')", first[0].CallID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the gateway removes what it refuses", func() bool {
		_, rows := rowsOf(t, asked, "SELECT call_id FROM erasures")
		return len(rows) == 0
	})
	if r := p.mustVerify(t); len(r.Erased) != 1 || r.Leaves != 17 {
		t.Errorf("%d leaves, erased calls %v", r.Leaves, r.Erased)
	}
	// Without a gateway the request stays.
	mustClose(t, l)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Erase(ctx, second[0].CallID, wish(), time.Now()); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("no gateway runs: %v", err)
	}
}
