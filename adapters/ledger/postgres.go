package ledger

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// Settings of each session. A commit is on disk when it returns. The timeouts
// bound how long a session that hangs can block the others.
const (
	synchronousCommit = "on"
	lockTimeout       = "10s"
	idleTimeout       = "10s" // within a transaction
)

// postgresDatabase is a database of a PostgreSQL server.
type postgresDatabase struct {
	config *pgx.ConnConfig
	read   *sql.DB
}

func (d *postgresDatabase) reads() *sql.DB { return d.read }

func (d *postgresDatabase) close() error { return d.read.Close() }

// erase has a function erase, which takes a request of the eraser's role.
func (*postgresDatabase) erase(callID string, salt []byte) []*statement {
	return []*statement{exec(sqlErasePostgres, callID, salt)}
}

func (*postgresDatabase) purge(context.Context) (string, error) {
	return "PostgreSQL keeps old versions of rows until the tables are vacuumed (VACUUM contents, salts, calls, terms, counters), and longer in its log and in backups", nil
}

func (d *postgresDatabase) connect(ctx context.Context) (connection, error) {
	conn, err := pgx.ConnectConfig(ctx, d.config)
	if err != nil {
		return nil, unnamed(err)
	}
	return &postgresConnection{conn}, nil
}

// configure parses an address. Errors don't repeat it, because it may hold a
// password.
func configure(dsn string, readOnly bool) (*pgx.ConnConfig, error) {
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("invalid address of the ledger's PostgreSQL database; want postgres://user:password@host:5432/name?sslmode=verify-full")
	}
	c.RuntimeParams["application_name"] = "sallyport"
	c.RuntimeParams["synchronous_commit"] = synchronousCommit
	c.RuntimeParams["lock_timeout"] = lockTimeout
	c.RuntimeParams["idle_in_transaction_session_timeout"] = idleTimeout
	if readOnly {
		c.RuntimeParams["default_transaction_read_only"] = "on"
		c.RuntimeParams["idle_in_transaction_session_timeout"] = "0" // a verification of a large log takes hours
	}
	return c, nil
}

func connectPostgres(dsn string, readOnly bool) (*sql.DB, error) {
	c, err := configure(dsn, readOnly)
	if err != nil {
		return nil, err
	}
	return stdlib.OpenDB(*c), nil
}

func openPostgresReadOnly(_ context.Context, dsn string) (*sql.DB, error) {
	return connectPostgres(dsn, true)
}

// openPostgres opens a database that `sallyport-gateway ledger migrate` has made.
func openPostgres(ctx context.Context, dsn string) (*postgresDatabase, error) {
	c, err := configure(dsn, false)
	if err != nil {
		return nil, err
	}
	read, err := connectPostgres(dsn, true)
	if err != nil {
		return nil, err
	}
	read.SetMaxOpenConns(maxReaders)
	read.SetMaxIdleConns(maxReaders)
	err = current(ctx, read, goose.DialectPostgres)
	if err == nil {
		var differences []string
		differences, err = postgresInspector{}.differences(ctx, read)
		if err == nil && len(differences) > 0 {
			err = fmt.Errorf("it is no ledger of this version: %s", differences[0])
		}
	}
	if err != nil {
		return nil, errors.Join(unnamed(err), read.Close())
	}
	return &postgresDatabase{config: c, read: read}, nil
}

// unnamed removes the address from an error of connecting, to keep it out of
// logs.
func unnamed(err error) error {
	if c, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return fmt.Errorf("PostgreSQL is out of reach: %w", c.Unwrap())
	}
	return err
}

// postgresConnection writes to a database. It sends statements in batches: a
// transaction takes four round trips, however many its entries.
type postgresConnection struct {
	conn *pgx.Conn
}

func (c *postgresConnection) begin(ctx context.Context) error {
	var size int64
	lock := query([]any{&size}, sqlLockHead)
	err := c.run(ctx, exec(sqlBeginPostgres), lock)
	if err == nil && lock.none {
		err = tamperedError{what: "the log has no head"}
	}
	return err
}

func (c *postgresConnection) commit(ctx context.Context, last ...*statement) error {
	return c.run(ctx, append(last, exec(sqlCommit))...)
}

func (c *postgresConnection) run(ctx context.Context, statements ...*statement) error {
	if len(statements) == 0 {
		return nil
	}
	var b pgx.Batch
	for _, s := range statements {
		b.Queue(s.text, s.args...)
	}
	results := c.conn.SendBatch(ctx, &b)
	var err error
	for _, s := range statements {
		if err = s.read(results); err != nil {
			break
		}
	}
	return errors.Join(err, results.Close())
}

// read reads the statement's result from its batch's results.
func (s *statement) read(results pgx.BatchResults) error {
	if s.into == nil {
		_, err := results.Exec()
		return err
	}
	err := results.QueryRow().Scan(s.into...)
	if s.none = errors.Is(err, pgx.ErrNoRows); s.none {
		return nil
	}
	return err
}

// probe writes the head, for which a full disk may have room. After an entry that
// could not be written it writes a large one first, and takes it back.
func (*postgresDatabase) probe(suspect bool) ([]*statement, error) {
	if !suspect {
		return []*statement{exec(sqlProbePostgres)}, nil
	}
	filler := make([]byte, leastFree)
	_, _ = rand.Read(filler) // it never fails; nothing compresses it
	return []*statement{
		exec(sqlSavepoint), exec(sqlAddContent, int64(math.MaxInt64), filler), exec(sqlTakeBack), exec(sqlProbePostgres),
	}, nil
}

// close ends the session and its open transaction. A server that can't be
// reached ends them by its own timeout.
func (c *postgresConnection) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	_ = c.conn.Close(ctx) // the connection is not used again, whatever the error
	return nil
}

// grantRoles grants roles the least privilege that they work with.
func grantRoles(ctx context.Context, db *sql.DB, roles Roles) error {
	var schema string
	if err := db.QueryRowContext(ctx, sqlCurrentSchema).Scan(&schema); err != nil {
		return err
	}
	for _, r := range []struct{ name, grants string }{
		{roles.Gateway, `GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role};
			GRANT INSERT ON leaves, nodes, checkpoints, salts, contents, calls, terms, freezes, counters, followers TO {role};
			GRANT UPDATE ON head, calls, freezes, counters, followers TO {role};
			GRANT DELETE ON erasures, counters TO {role}; GRANT EXECUTE ON FUNCTION erase_contents(text, bytea) TO {role}`},
		{roles.Eraser, `GRANT INSERT (call_id, reason) ON erasures TO {role}; GRANT SELECT (call_id) ON erasures TO {role};
			GRANT SELECT (call_id, final, updated_at) ON calls TO {role}; GRANT SELECT (idx, call_id, kind) ON leaves TO {role};
			GRANT SELECT ON goose_db_version TO {role}`},
	} {
		if r.name == "" {
			continue
		}
		const all = `REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role};
			REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {schema} FROM {role}; GRANT USAGE ON SCHEMA {schema} TO {role}; `
		names := strings.NewReplacer("{role}", pgx.Identifier{r.name}.Sanitize(), "{schema}", pgx.Identifier{schema}.Sanitize())
		for text := range strings.SplitSeq(all+r.grants, ";") {
			if _, err := db.ExecContext(ctx, names.Replace(text)); err != nil {
				return fmt.Errorf("the role %q can't be granted what it needs: %w", r.name, err)
			}
		}
	}
	return nil
}

// postgresInspector checks a PostgreSQL database.
type postgresInspector struct{}

// integrity finds nothing: the server's own checksums are for its files, and
// Verify reads every row.
func (postgresInspector) integrity(context.Context, queryer) ([]string, error) { return nil, nil }

// differences compares all objects that can change a value that is written or
// read: columns, constraints and indexes, triggers, rules, row policies and
// functions.
func (postgresInspector) differences(ctx context.Context, db queryer) ([]string, error) {
	have, err := schemaOfPostgres(ctx, db)
	if err != nil {
		return nil, err
	}
	want, err := postgresSchema()
	return compare(have, want), err
}

func schemaOfPostgres(ctx context.Context, db queryer) (map[string]string, error) {
	schema := map[string]string{}
	err := each(ctx, db, func(rows *sql.Rows) error {
		var name, text string
		err := rows.Scan(&name, &text)
		schema[name] = text
		return err
	}, sqlSchemaPostgres)
	return schema, err
}
