package bench_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/sallyporttest/postgrestest"

	_ "modernc.org/sqlite"
)

// BenchmarkLedger records the stories of calls, one entry after the other for
// each writer. In turn with that, the floor: as many bytes are kept in the same
// database by one INSERT, which is its own transaction.
func BenchmarkLedger(b *testing.B) {
	for _, kind := range []struct {
		name string
		open func(*testing.B) place
	}{{"SQLite", inSQLite}, {"PostgreSQL", inPostgres}} {
		for _, writers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/%d", kind.name, writers), func(b *testing.B) { measure(b, kind.open(b), writers) })
		}
	}
}

// place is a new ledger, and another's sessions with its database.
type place struct {
	ledger *ledger.Ledger
	bare   *sql.DB
	key    ledger.Key

	postgres bool
}

// open opens a ledger, and makes a table beside its own.
func open(b *testing.B, d ledger.Database, driver, address, table string, sessions int) place {
	b.Helper()
	key, err := ledger.CreateKey(filepath.Join(b.TempDir(), "ledger.key"), "ledger.example/bench")
	if err != nil {
		b.Fatal(err)
	}
	l, err := ledger.Open(b.Context(), ledger.Options{Database: d, Signer: key})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	db, err := sql.Open(driver, address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(sessions)
	db.SetMaxIdleConns(sessions)
	if _, err := db.ExecContext(b.Context(), table); err != nil {
		b.Fatal(err)
	}
	return place{l, db, key, d.DSN != ""}
}

// inSQLite opens the file as the ledger does; it has one writer at a time.
func inSQLite(b *testing.B) place {
	b.Helper()
	file := filepath.Join(b.TempDir(), "ledger.db")
	return open(b, ledger.Database{Path: file}, "sqlite", file+"?_pragma=busy_timeout(10000)&_pragma=synchronous(FULL)",
		"CREATE TABLE bare (n INTEGER PRIMARY KEY, bytes BLOB NOT NULL)", 1)
}

func inPostgres(b *testing.B) place {
	b.Helper()
	pg := postgrestest.StartDurable(b)
	dsn := pg.DSN(pg.Database(b))
	if err := ledger.Migrate(b.Context(), dsn, ledger.Roles{}); err != nil {
		b.Fatal(err)
	}
	return open(b, ledger.Database{DSN: dsn}, "pgx", dsn,
		"CREATE TABLE bare (n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, bytes bytea NOT NULL)", 64)
}

// perEntry is how many bytes the ledger keeps of an entry of these calls, in the
// middle: its leaf, its contents, and the record that is written anew.
func (p place) perEntry(b *testing.B) (n int) {
	b.Helper()
	const text = `SELECT CAST(avg(length(l.leaf) + length(c.entry) + length(k.record)) AS integer)
		FROM leaves l JOIN contents c ON c.idx = l.idx JOIN calls k ON k.call_id = l.call_id`
	if err := p.bare.QueryRowContext(b.Context(), text).Scan(&n); err != nil {
		b.Fatal(err)
	}
	return n
}

// turns is how often ledger and floor take turns, so that both see the same
// machine.
const turns = 10

func measure(b *testing.B, p place, writers int) {
	b.Helper()
	record := func(e sallyport.Entry) error {
		_, err := p.ledger.Record(context.Background(), e)
		return err
	}
	for _, e := range sallyporttest.Approved(0) { // connects, too
		if err := record(e); err != nil {
			b.Fatal(err)
		}
	}
	bytes := make([]byte, p.perEntry(b))
	stories := newStories(b.N, writers)
	var appended, bare times
	for turn := range turns {
		n := b.N*(turn+1)/turns - b.N*turn/turns
		appended.add(b, writers, n, func(writer int) error { return record(stories.next(writer)) })
		bare.add(b, writers, n, func(int) error {
			_, err := p.bare.ExecContext(context.Background(), "INSERT INTO bare (bytes) VALUES ($1)", bytes)
			return err
		})
	}
	appended.report(b, "")
	bare.report(b, "floor-")
	b.ReportMetric(float64(appended.quantile(50))/float64(bare.quantile(50)), "p50/floor")
	b.ReportMetric(appended.rate()/bare.rate(), "rate/floor")
	b.ReportMetric(0, "ns/op") // of both together, which says nothing
}

// stories are made before anything is measured. Each writer takes one after the
// other, and tells it to its end.
type stories struct {
	all   [][]sallyport.Entry
	taken atomic.Int64
	left  [][]sallyport.Entry // by writer
}

func newStories(entries, writers int) *stories {
	s := &stories{left: make([][]sallyport.Entry, writers)}
	for n := 0; n <= entries/len(sallyporttest.Approved(0))+writers; n++ {
		s.all = append(s.all, sallyporttest.Approved(n+1))
	}
	return s
}

func (s *stories) next(writer int) sallyport.Entry {
	if len(s.left[writer]) == 0 {
		s.left[writer] = s.all[s.taken.Add(1)-1]
	}
	e := s.left[writer][0]
	s.left[writer] = s.left[writer][1:]
	return e
}
