package ledger

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"modernc.org/sqlite"
)

// maxReaders bounds the connections that read. A write-ahead log lets them
// read while somebody writes.
const maxReaders = 4

// database is one SQLite file: the connections that read it, and the one that
// writes.
type database struct {
	read, write *sql.DB
}

func (d database) close() error { return errors.Join(d.read.Close(), d.write.Close()) }

// openSQLite opens a database file, or makes one that only its owner can
// read.
func openSQLite(ctx context.Context, path string) (database, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return database{}, err
	}
	if err := f.Close(); err != nil {
		return database{}, err
	}
	write, err := connect(path, "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=trusted_schema(0)")
	if err != nil {
		return database{}, err
	}
	write.SetMaxOpenConns(1)
	if err := makeSchema(ctx, write); err != nil {
		return database{}, errors.Join(err, write.Close())
	}
	read, err := connect(path, "_pragma=busy_timeout(10000)&_pragma=query_only(1)&_pragma=trusted_schema(0)")
	if err != nil {
		return database{}, errors.Join(err, write.Close())
	}
	read.SetMaxOpenConns(maxReaders)
	read.SetMaxIdleConns(maxReaders)
	return database{read: read, write: write}, nil
}

// openReadOnly opens a database file that must exist, and never writes to it.
func openReadOnly(ctx context.Context, path string) (*sql.DB, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	const pragmas = "&_pragma=busy_timeout(10000)&_pragma=query_only(1)&_pragma=trusted_schema(0)"
	db, err := connect(path, "mode=ro"+pragmas)
	if err != nil {
		return nil, err
	}
	if err = readable(ctx, db); err == nil {
		return db, nil
	}
	err = errors.Join(err, db.Close())
	if _, walErr := os.Stat(path + "-wal"); !errors.Is(walErr, fs.ErrNotExist) {
		return nil, err
	}
	// A copy on a medium that can't be written to has no place for the shared
	// memory of a write-ahead log, and needs none.
	if db, err = connect(path, "immutable=1"+pragmas); err != nil {
		return nil, err
	}
	if err := readable(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func readable(ctx context.Context, db *sql.DB) error {
	var n int
	return db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&n)
}

func connect(path, parameters string) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	c, err := sqlite.NewConnector("file:" + (&url.URL{Path: abs}).EscapedPath() + "?" + parameters)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(c), nil
}

// makeSchema fills an empty database, adds what those of earlier versions lack,
// and refuses one that has anything else than this schema: a trigger too many could change what is written.
func makeSchema(ctx context.Context, db *sql.DB) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	if err := fillEmpty(ctx, conn); err != nil {
		return errors.Join(err, discard(conn))
	}
	differences, err := compareSchema(ctx, conn)
	if err == nil && len(differences) > 0 {
		err = fmt.Errorf("it is no ledger of this version: %s", differences[0])
	}
	return errors.Join(err, conn.Close())
}

func fillEmpty(ctx context.Context, conn *sql.Conn) error {
	if _, err := conn.ExecContext(ctx, sqlBegin); err != nil {
		return err
	}
	have, err := schemaOf(ctx, conn)
	if err != nil {
		return err
	}
	if len(have) == 0 {
		if _, err := conn.ExecContext(ctx, schemaSQLite); err != nil {
			return err
		}
	}
	if err := addFollowers(ctx, conn, have); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, sqlCommit)
	return err
}

// addFollowers adds the table that ledgers of earlier versions lack, and adds
// nothing to a database that is none.
func addFollowers(ctx context.Context, conn *sql.Conn, have map[string]string) error {
	if _, ok := have[followersTable]; ok {
		return nil
	}
	differences, err := compareSchema(ctx, conn)
	if err != nil || len(differences) > 0 {
		return err
	}
	_, err = conn.ExecContext(ctx, followersSQLite)
	return err
}

// discard closes a connection, and so ends a transaction that may be open on
// it, instead of giving it back to the pool.
func discard(conn *sql.Conn) error {
	err := conn.Raw(func(any) error { return driver.ErrBadConn })
	if errors.Is(err, driver.ErrBadConn) {
		return nil
	}
	return err
}

// queryer is what a database, a connection and a transaction can all do.
type queryer interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
	QueryRowContext(context.Context, string, ...any) *sql.Row
}

// schemaOf is what a database consists of, by type and name.
func schemaOf(ctx context.Context, db queryer) (map[string]string, error) {
	rows, err := db.QueryContext(ctx, sqlSchema)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	schema := map[string]string{}
	for rows.Next() {
		var kind, name, table, text string
		if err := rows.Scan(&kind, &name, &table, &text); err != nil {
			return nil, err
		}
		schema[kind+" "+name] = table + ": " + text
	}
	return schema, rows.Err()
}

// compareSchema says in words how a database's schema differs from ours.
func compareSchema(ctx context.Context, db queryer) ([]string, error) {
	have, err := schemaOf(ctx, db)
	if err != nil {
		return nil, err
	}
	want, err := ourSchema(ctx)
	if err != nil {
		return nil, err
	}
	var differences []string
	for name, text := range want {
		switch have[name] {
		case text:
		case "":
			if name == followersTable { // nobody has opened it since there is one
				continue
			}
			differences = append(differences, name+" is missing")
		default:
			differences = append(differences, name+" is not as it should be")
		}
	}
	for name := range have {
		if _, ok := want[name]; !ok {
			differences = append(differences, name+" does not belong there")
		}
	}
	slices.Sort(differences)
	return differences, nil
}

func ourSchema(ctx context.Context) (map[string]string, error) {
	c, err := sqlite.NewConnector(":memory:")
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(1)
	defer db.Close()
	if _, err := db.ExecContext(ctx, schemaSQLite+followersSQLite); err != nil {
		return nil, err
	}
	return schemaOf(ctx, db)
}
