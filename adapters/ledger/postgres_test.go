package ledger_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/sallyporttest/postgrestest"
)

// The roles that the gateway and who erases have in a PostgreSQL database, which
// another one owns.
const (
	gateway = "gateway"
	eraser  = "eraser"
)

// onEach runs a test on ledgers in each kind of database.
func onEach(t *testing.T, test func(t *testing.T, newPlace func(testing.TB) place)) {
	t.Run("SQLite", func(t *testing.T) { test(t, newPlace) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, onPostgres(t)) })
}

// onPostgres starts a server, and returns what makes ledgers in it.
func onPostgres(t testing.TB) func(testing.TB) place {
	t.Helper()
	pg := postgrestest.Start(t)
	pg.Exec(t, "postgres", "CREATE ROLE "+gateway+" LOGIN PASSWORD 'secret'; CREATE ROLE "+eraser+" LOGIN PASSWORD 'secret'")
	return func(t testing.TB) place {
		t.Helper()
		p := place{owner: pg.DSN(pg.Database(t)), keyFile: t.TempDir() + "/ledger.key"}
		p.createKey(t)
		p.dsn, p.eraser = as(t, p.owner, gateway), as(t, p.owner, eraser)
		if err := ledger.Migrate(context.Background(), p.owner, ledger.Roles{Gateway: gateway, Eraser: eraser}); err != nil {
			t.Fatal(err)
		}
		return p
	}
}

// as is a database's address for a role.
func as(t testing.TB, dsn, role string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "secret")
	return u.String()
}

// placeOn makes a ledger on a server, whose owner is the gateway too.
func placeOn(t testing.TB, pg *postgrestest.Cluster) place {
	t.Helper()
	p := place{dsn: pg.DSN(pg.Database(t)), keyFile: t.TempDir() + "/ledger.key"}
	p.createKey(t)
	if err := ledger.Migrate(context.Background(), p.dsn, ledger.Roles{}); err != nil {
		t.Fatal(err)
	}
	return p
}

// connect opens a session as the user of the address.
func connect(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(1)
	return db
}

// TestRole: the gateway's role may add to the log and to the store, and change
// nothing that is there.
func TestRole(t *testing.T) {
	p := onPostgres(t)(t)
	l := p.open(t)
	mustRecord(t, l, sallyporttest.Approved(1)...)
	mustClose(t, l)
	db := connect(t, p.dsn)
	for _, table := range []string{"leaves", "nodes", "checkpoints", "salts", "contents", "head", "goose_db_version"} {
		var column string
		if err := connect(t, p.owner).QueryRowContext(t.Context(), `SELECT column_name FROM information_schema.columns
			WHERE table_name = $1 AND ordinal_position = 2`, table).Scan(&column); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{
			"UPDATE " + table + " SET " + column + " = " + column, "DELETE FROM " + table, "TRUNCATE " + table, "DROP TABLE " + table,
			"ALTER TABLE " + table + " DISABLE TRIGGER ALL", "ALTER TABLE " + table + " ADD COLUMN more text",
			"CREATE TRIGGER quiet BEFORE INSERT ON " + table + " FOR EACH ROW EXECUTE FUNCTION head_only_grows()",
			"CREATE RULE quiet AS ON INSERT TO " + table + " DO INSTEAD NOTHING",
		} {
			if table == "head" && strings.HasPrefix(text, "UPDATE") {
				text = "UPDATE head SET size = size - 1"
			}
			if _, err := db.ExecContext(t.Context(), text); err == nil {
				t.Errorf("the gateway's role may %s", text)
			}
		}
	}
	for _, text := range []string{
		"UPDATE head SET checkpoints = checkpoints - 1", `UPDATE head SET hash = '\x' || repeat('00', 32)::bytea`,
		"CREATE TABLE more (a text)", "CREATE OR REPLACE FUNCTION head_only_grows() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
		"SET session_replication_role = replica",
	} {
		if _, err := db.ExecContext(t.Context(), text); err == nil {
			t.Errorf("the gateway's role may %s", text)
		}
	}
	p.mustVerify(t)
}

// TestOwner: the database's owner can change the log only after dropping the
// triggers, and Verify finds that.
func TestOwner(t *testing.T) {
	newPlace := onPostgres(t)
	for _, text := range []string{
		"UPDATE leaves SET number = number", "DELETE FROM nodes", "TRUNCATE checkpoints", "DELETE FROM head", "UPDATE head SET size = 0",
	} {
		p := newPlace(t)
		mustRecord(t, p.open(t), sallyporttest.Approved(1)...)
		if _, err := connect(t, p.owner).ExecContext(t.Context(), text); err == nil || !strings.Contains(err.Error(), "only grows") {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{
		"ALTER TABLE leaves DISABLE TRIGGER leaves_change", "DROP TRIGGER head_update ON head",
		"CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER quiet BEFORE INSERT ON calls FOR EACH ROW EXECUTE FUNCTION quiet()",
		"CREATE RULE quiet AS ON INSERT TO contents DO INSTEAD NOTHING", "ALTER TABLE leaves DROP CONSTRAINT leaves_call_id_kind_key_key",
		"CREATE OR REPLACE FUNCTION head_only_grows() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
		"ALTER TABLE salts ENABLE ROW LEVEL SECURITY", "ALTER TABLE calls ADD COLUMN more text", "DROP INDEX calls_open",
		"ALTER TABLE contents ALTER COLUMN entry SET DEFAULT ''",
	} {
		p := newPlace(t)
		mustRecord(t, p.open(t), sallyporttest.Approved(1)...)
		if _, err := connect(t, p.owner).ExecContext(t.Context(), text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		mustBeFound(t, p, text)
		if _, err := ledger.Open(t.Context(), ledger.Options{Database: p.database(), Signer: p.key}); err == nil {
			t.Errorf("it was opened after %s", text)
		}
	}
}

// TestNotMigrated: a database without the schema is refused, with what helps.
func TestNotMigrated(t *testing.T) {
	pg := postgrestest.Start(t)
	p := place{dsn: pg.DSN(pg.Database(t)), keyFile: t.TempDir() + "/ledger.key"}
	p.createKey(t)
	refused := func(says string) {
		t.Helper()
		_, err := ledger.Open(t.Context(), ledger.Options{Database: p.database(), Signer: p.key})
		if sallyport.KindOf(err) != sallyport.Unavailable || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), pg.Password) {
			t.Errorf("error %v; want it to say %q", err, says)
		}
	}
	refused("sallyport-gateway ledger migrate")
	if err := ledger.Migrate(t.Context(), p.dsn, ledger.Roles{}); err != nil {
		t.Fatal(err)
	}
	mustRecord(t, p.open(t), sallyporttest.Approved(1)...) // the owner may be the gateway too
	connectAndExec := func(text string) {
		t.Helper()
		if _, err := connect(t, p.dsn).ExecContext(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	connectAndExec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)")
	refused("version 99999")
	p.dsn = strings.Replace(p.dsn, pg.Addr, "127.0.0.1:1", 1)
	refused("out of reach")
}

// TestServerGone kills the server and starts it again: what was acknowledged is
// there, what was not is refused, and it goes on.
func TestServerGone(t *testing.T) {
	pg := postgrestest.Start(t)
	p := placeOn(t, pg)
	l := p.open(t)
	story := sallyporttest.Approved(1)
	mustRecord(t, l, story[:3]...)
	pg.Kill(t)
	if _, err := l.Record(t.Context(), story[3]); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("without a server: %v", err)
	}
	if err := l.Ping(t.Context()); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("Ping without a server: %v", err)
	}
	pg.Restart(t)
	eventually(t, "the ledger answers again", func() bool { return l.Ping(t.Context()) == nil })
	for i, e := range story {
		r, err := l.Record(t.Context(), e)
		if err != nil || r.Repeated != (i < 3) {
			t.Errorf("entry %d: repeated %t, %v", i, r.Repeated, err)
		}
	}
	mustClose(t, l)
	p.mustVerify(t)
}

// TestReadOnlyServer: what can't be recorded is refused, and nothing is
// skipped.
func TestReadOnlyServer(t *testing.T) {
	p := onPostgres(t)(t)
	l := p.open(t)
	story := sallyporttest.Approved(1)
	mustRecord(t, l, story[:2]...)
	owner := connect(t, p.owner)
	for _, readOnly := range []string{"on", "off"} {
		var name string
		if err := owner.QueryRowContext(t.Context(), "SELECT current_database()").Scan(&name); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{
			`ALTER DATABASE "` + name + `" SET default_transaction_read_only = ` + readOnly,
			"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '" + gateway + "'",
		} {
			if _, err := owner.ExecContext(t.Context(), text); err != nil {
				t.Fatal(err)
			}
		}
		if readOnly == "off" {
			break
		}
		eventually(t, "the ledger is refused", func() bool {
			_, err := l.Record(t.Context(), story[2])
			return sallyport.KindOf(err) == sallyport.Unavailable && l.Ping(t.Context()) != nil
		})
		owner = connect(t, p.owner+"&default_transaction_read_only=off")
	}
	eventually(t, "the ledger answers again", func() bool { return l.Ping(t.Context()) == nil })
	mustRecord(t, l, story[2:]...)
	mustClose(t, l)
	p.mustVerify(t)
}

// TestEveryStoredValuePostgres changes every value and deletes every row of
// every table, one at a time, as the server's owner: Verify has to find each.
func TestEveryStoredValuePostgres(t *testing.T) {
	sallyporttest.Exhaustive(t)
	p := onPostgres(t)(t)
	for n := range 2 {
		l := p.open(t)
		freeze, _ := freezing(byte(n), sallyport.Freeze{Tool: "gitops_set_image"})
		mustRecord(t, l, append(sallyporttest.Approved(n)[:8-4*n:8-4*n], freeze)...)
		mustClose(t, l)
	}
	f := forger{t, connect(t, p.owner)}
	f.exec("SET session_replication_role = replica") // no trigger fires
	f.exec("CREATE SCHEMA kept")
	changes := 0
	for _, table := range []string{"leaves", "nodes", "head", "checkpoints", "salts", "contents", "calls", "terms", "freezes", "counters"} {
		f.exec("CREATE TABLE kept." + table + " AS TABLE " + table)
		columns, rows := rowsOf(t, f.db, "TABLE "+table)
		for n, row := range rows {
			forge := func(change, text string, args ...any) {
				if _, err := f.db.ExecContext(t.Context(), text, args...); err != nil {
					return // a constraint does not let it be
				}
				changes++
				mustBeFound(t, p, change)
				f.exec("TRUNCATE " + table)
				f.exec("INSERT INTO " + table + " TABLE kept." + table)
			}
			where := " WHERE " + columns[0] + " = "
			for c, column := range columns {
				for _, value := range forgeries(row[c], n) {
					forge(fmt.Sprintf("%s.%s of row %v becomes %.60v", table, column, row[0], value),
						"UPDATE "+table+" SET "+column+" = $1"+where+"$2", value, row[0])
				}
			}
			forge(fmt.Sprintf("row %v of %s was deleted", row[0], table), "DELETE FROM "+table+where+"$1", row[0])
		}
	}
	if changes < 400 {
		t.Errorf("only %d changes were tried", changes)
	}
	p.mustVerify(t)
}

// forger is the owner of a PostgreSQL server.
type forger struct {
	t  testing.TB
	db *sql.DB
}

func (f forger) exec(text string) {
	f.t.Helper()
	if _, err := f.db.ExecContext(f.t.Context(), text); err != nil {
		f.t.Fatalf("%s: %v", text, err)
	}
}

// rowsOf reads a query's rows, and what its columns are called.
func rowsOf(t testing.TB, db interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}, text string,
) (columns []string, all [][]any) {
	t.Helper()
	rows, err := db.QueryContext(context.Background(), text)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if columns, err = rows.Columns(); err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		all = append(all, values)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return columns, all
}
