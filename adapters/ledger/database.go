package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"

	"github.com/pressly/goose/v3"

	"github.com/sallyport/sallyport"
)

// Database is where a ledger is stored: exactly one of its fields is set.
type Database struct {
	Path string // of a SQLite database
	DSN  string // of a PostgreSQL database, as libpq takes it; it may hold a password
}

func (d Database) check() error {
	if (d.Path == "") == (d.DSN == "") {
		return errors.New("a ledger needs either the path of a SQLite database or the address of a PostgreSQL database")
	}
	return nil
}

// mustExist fails for a SQLite file that does not exist, where none is to be made.
func (d Database) mustExist() error {
	if d.Path == "" {
		return nil
	}
	if _, err := os.Stat(d.Path); err != nil {
		return notOpened(err)
	}
	return nil
}

// database stores a ledger.
type database interface {
	pool
	dialect

	// connect makes the connection on which this process writes.
	connect(ctx context.Context) (connection, error)
	// purge removes copies of erased contents that the database itself keeps. Rest
	// describes the copies that it can't remove.
	purge(ctx context.Context) (rest string, err error)
}

// pool is a database to read from.
type pool interface {
	// reads are connections on which nothing is written.
	reads() *sql.DB
	close() error
}

// leastFree is what a disk must have free, in bytes: some of the largest entries.
const leastFree = 2 << 20

// dialect is what databases spell differently.
type dialect interface {
	// probe writes the head and leaves it as it is, if there is room for entries.
	// Suspect says that the last entry could not be written.
	probe(suspect bool) ([]*statement, error)
	// erase empties a call's contents but the erasure's own, and replaces its salt.
	erase(callID string, salt []byte) []*statement
}

// connection is where transactions are run, one at a time.
type connection interface {
	// begin begins a transaction that sees, and has to itself until it ends,
	// the whole ledger. No other writer's transaction overlaps it.
	begin(ctx context.Context) error
	// run runs statements in their order, and in as few round trips as the
	// database allows. After an error the transaction can't be used any more.
	run(ctx context.Context, statements ...*statement) error
	// commit makes the transaction durable, after some last statements.
	commit(ctx context.Context, last ...*statement) error
	close() error
}

// statement is an SQL statement of a transaction, with at most one row.
type statement struct {
	text string
	args []any
	into []any // where its row goes; nil where it has none
	none bool  // it had no row
}

func exec(text string, args ...any) *statement { return &statement{text: text, args: args} }

func query(into []any, text string, args ...any) *statement {
	return &statement{text: text, args: args, into: into}
}

// open opens a database to write to it.
func (d Database) open(ctx context.Context) (db database, err error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	if d.DSN != "" {
		db, err = openPostgres(ctx, d.DSN)
	} else {
		db, err = openSQLite(ctx, d.Path)
	}
	return db, err
}

// inspector checks the database itself, beside the log in it.
type inspector interface {
	// integrity describes the faults of the database's files.
	integrity(ctx context.Context, db queryer) ([]string, error)
	// differences describes how the schema differs from this version's.
	differences(ctx context.Context, db queryer) ([]string, error)
}

// openReadOnly opens a database that must be there, and never writes to it.
func (d Database) openReadOnly(ctx context.Context) (*sql.DB, inspector, error) {
	if err := d.check(); err != nil {
		return nil, nil, err
	}
	var i inspector = sqliteInspector{}
	open, dialect := openSQLiteReadOnly, goose.DialectSQLite3
	where := d.Path
	if d.DSN != "" {
		i, open, dialect, where = postgresInspector{}, openPostgresReadOnly, goose.DialectPostgres, d.DSN
	}
	db, err := open(ctx, where)
	if err == nil {
		if err = current(ctx, db, dialect); err != nil {
			err = errors.Join(unnamed(err), db.Close())
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("the ledger's database can't be opened for reading: %w", err)
	}
	return db, i, nil
}

// queryer is what a database, a connection and a transaction can all do.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// each calls scan for each row of a query.
func each(ctx context.Context, db queryer, scan func(*sql.Rows) error, text string, args ...any) error {
	rows, err := db.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// column is the one column of a query's rows.
func column(ctx context.Context, db queryer, text string, args ...any) ([]string, error) {
	var all []string
	err := each(ctx, db, func(rows *sql.Rows) error {
		var s string
		err := rows.Scan(&s)
		all = append(all, s)
		return err
	}, text, args...)
	return all, err
}

func notOpened(err error) *sallyport.Error {
	return unavailable(err, "the ledger's database can't be opened: %v", err)
}
