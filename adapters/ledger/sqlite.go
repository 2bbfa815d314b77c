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
	"time"

	"github.com/pressly/goose/v3"
	gstore "github.com/pressly/goose/v3/database"
	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
)

// maxReaders bounds the connections that read. With a write-ahead log they
// read while another connection writes.
const maxReaders = 4

// sqliteDatabase is one file: the connections that read it, and the one that
// writes.
type sqliteDatabase struct {
	read, write *sql.DB
	dir         string
}

func (d *sqliteDatabase) reads() *sql.DB { return d.read }

func (d *sqliteDatabase) close() error { return errors.Join(d.read.Close(), d.write.Close()) }

func (d *sqliteDatabase) connect(ctx context.Context) (connection, error) {
	conn, err := d.write.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &sqliteConnection{conn: conn, prepared: map[string]*sql.Stmt{}}, nil
}

// openSQLite opens a database file, or makes one that only its owner can
// read.
func openSQLite(ctx context.Context, path string) (*sqliteDatabase, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	write, err := connect(path, "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=trusted_schema(0)&_pragma=secure_delete(1)")
	if err != nil {
		return nil, err
	}
	write.SetMaxOpenConns(1)
	if err := makeSchema(ctx, write); err != nil {
		return nil, errors.Join(err, write.Close())
	}
	read, err := connect(path, "_pragma=busy_timeout(10000)&_pragma=query_only(1)&_pragma=trusted_schema(0)")
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	read.SetMaxOpenConns(maxReaders)
	read.SetMaxIdleConns(maxReaders)
	return &sqliteDatabase{read: read, write: write, dir: filepath.Dir(path)}, nil
}

// sqliteConnection writes to a file. Statements need no round trip, so that
// they run one after the other.
type sqliteConnection struct {
	conn     *sql.Conn
	prepared map[string]*sql.Stmt
}

func (c *sqliteConnection) begin(ctx context.Context) error { return c.run(ctx, exec(sqlBegin)) }

func (c *sqliteConnection) commit(ctx context.Context, last ...*statement) error {
	return c.run(ctx, append(last, exec(sqlCommit))...)
}

func (c *sqliteConnection) run(ctx context.Context, statements ...*statement) error {
	for _, s := range statements {
		if err := c.one(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (c *sqliteConnection) one(ctx context.Context, s *statement) error {
	p, ok := c.prepared[s.text]
	if !ok {
		var err error
		if p, err = c.conn.PrepareContext(ctx, s.text); err != nil {
			return err
		}
		c.prepared[s.text] = p
	}
	if s.into == nil {
		_, err := p.ExecContext(ctx, s.args...)
		return err
	}
	err := p.QueryRowContext(ctx, s.args...).Scan(s.into...)
	if s.none = errors.Is(err, sql.ErrNoRows); s.none {
		return nil
	}
	return err
}

// probe changes the head and changes it back, because SQLite does not write a
// row that an update leaves unchanged. A disk that is full may take that: the log
// that is written ahead has room for it. So the disk is asked too.
func (d *sqliteDatabase) probe(bool) ([]*statement, error) {
	var disk unix.Statfs_t
	if err := unix.Statfs(d.dir, &disk); err != nil {
		return nil, err
	}
	if free := disk.Bavail * uint64(disk.Bsize); free < leastFree { //nolint:gosec // it is not negative
		return nil, fmt.Errorf("the disk of %s has %d KiB free, and %d are needed", d.dir, free>>10, leastFree>>10)
	}
	return []*statement{exec(sqlMoveHead, 1), exec(sqlMoveHead, -1)}, nil
}

func (*sqliteDatabase) erase(callID string, salt []byte) []*statement {
	return []*statement{exec(sqlEraseContents, callID), exec(sqlEraseSalt, callID, salt), exec(sqlEraseTerms, callID)}
}

// purge truncates the write-ahead log, which holds earlier versions of pages.
// SQLite overwrites the pages themselves when it frees them.
func (d *sqliteDatabase) purge(ctx context.Context) (string, error) {
	var busy, pages, moved int
	err := d.write.QueryRowContext(ctx, sqlTruncateLog).Scan(&busy, &pages, &moved)
	if err == nil && busy != 0 {
		return "another process reads the database, and what was erased stays in its write-ahead log until a gateway that has it open is stopped", nil
	}
	return "", err
}

func (c *sqliteConnection) close() error {
	var errs []error
	for _, p := range c.prepared {
		errs = append(errs, p.Close())
	}
	return errors.Join(append(errs, discard(c.conn))...)
}

// openSQLiteReadOnly opens a database file that must exist, and never writes to
// it.
func openSQLiteReadOnly(ctx context.Context, path string) (*sql.DB, error) {
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

// makeSchema brings a database to this version, and rejects one with any other
// object in its schema: an additional trigger could change written values.
// Another process may do it at the same time.
func makeSchema(ctx context.Context, db *sql.DB) error {
	m, err := migrator(db, goose.DialectSQLite3)
	if err != nil {
		return err
	}
	for try := 0; ; try++ {
		if err = adopt(ctx, db); err == nil {
			_, err = m.Up(ctx)
		}
		if err == nil || try == migrationTries || ctx.Err() != nil {
			break
		}
		time.Sleep(migrationPause)
	}
	if err != nil {
		return err
	}
	differences, err := sqliteInspector{}.differences(ctx, db)
	if err == nil && len(differences) > 0 {
		err = fmt.Errorf("it is no ledger of this version: %s", differences[0])
	}
	return err
}

// Two processes that open a new database at once conflict at most once for each
// migration.
const (
	migrationTries = 50
	migrationPause = 50 * time.Millisecond
)

// adopt prepares a database from before there were migrations, which has the
// first one's schema, for the others.
func adopt(ctx context.Context, db *sql.DB) error {
	have, err := schemaOf(ctx, db)
	if err != nil || len(have) == 0 || have[versionsTable] != "" {
		return err
	}
	if _, ok := have["table leaves"]; !ok {
		return errors.New("it is no ledger's database: it holds something else")
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // committed below
	versions, err := gstore.NewStore(goose.DialectSQLite3, goose.DefaultTablename)
	if err == nil {
		_, err = tx.ExecContext(ctx, sqlAdoptFollowers)
	}
	if err == nil {
		err = versions.CreateVersionTable(ctx, tx)
	}
	for v := int64(0); v <= 1 && err == nil; v++ {
		err = versions.Insert(ctx, tx, gstore.InsertRequest{Version: v})
	}
	if err != nil {
		return err
	}
	return tx.Commit()
}

// discard closes a connection instead of returning it to the pool, which ends a
// transaction that may be open on it.
func discard(conn *sql.Conn) error {
	err := conn.Raw(func(any) error { return driver.ErrBadConn })
	if errors.Is(err, driver.ErrBadConn) {
		return nil
	}
	return err
}

// schemaOf is what a SQLite database consists of, by type and name.
func schemaOf(ctx context.Context, db queryer) (map[string]string, error) {
	schema := map[string]string{}
	err := each(ctx, db, func(rows *sql.Rows) error {
		var kind, name, table, text string
		err := rows.Scan(&kind, &name, &table, &text)
		schema[kind+" "+name] = table + ": " + text
		return err
	}, sqlSchema)
	return schema, err
}

// sqliteInspector checks a SQLite database.
type sqliteInspector struct{}

func (sqliteInspector) integrity(ctx context.Context, db queryer) ([]string, error) {
	lines, err := column(ctx, db, sqlIntegrity)
	return slices.DeleteFunc(lines, func(l string) bool { return l == "ok" }), err
}

func (sqliteInspector) differences(ctx context.Context, db queryer) ([]string, error) {
	have, err := schemaOf(ctx, db)
	if err != nil {
		return nil, err
	}
	want, err := ourSchema(ctx)
	return compare(have, want), err
}

const versionsTable = "table " + goose.DefaultTablename

// compare describes how a schema differs from this version's.
func compare(have, want map[string]string) []string {
	var differences []string
	for name, text := range want {
		switch h, ok := have[name]; {
		case !ok:
			differences = append(differences, name+" is missing")
		case h != text:
			differences = append(differences, name+" is not as it should be")
		}
	}
	for name := range have {
		if _, ok := want[name]; !ok {
			differences = append(differences, name+" does not belong there")
		}
	}
	slices.Sort(differences)
	return differences
}

// ourSchema is what the migrations make of an empty database.
func ourSchema(ctx context.Context) (map[string]string, error) {
	c, err := sqlite.NewConnector(":memory:")
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(1)
	defer db.Close()
	m, err := migrator(db, goose.DialectSQLite3)
	if err != nil {
		return nil, err
	}
	if _, err := m.Up(ctx); err != nil {
		return nil, err
	}
	return schemaOf(ctx, db)
}
