package ledger

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations
var migrations embed.FS

// migrator brings a database's schema to this version.
func migrator(db *sql.DB, dialect goose.Dialect) (*goose.Provider, error) {
	dir := "migrations/sqlite"
	var options []goose.ProviderOption
	if dialect == goose.DialectPostgres {
		dir = "migrations/postgres"
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	files, err := fs.Sub(migrations, dir)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(dialect, db, files, append(options, goose.WithDisableGlobalRegistry(true))...)
}

// Roles are the roles of a PostgreSQL server that work with a ledger. An empty
// one is granted nothing.
type Roles struct {
	Gateway string // may append to the log and to the store, update the projection, and do the erasures that were asked for
	Eraser  string // may ask the gateway to erase contents
}

// Migrate brings the schema of a PostgreSQL database to this version, and
// grants roles their permissions. Only the database's owner can do it. A SQLite
// database needs no such step.
func Migrate(ctx context.Context, dsn string, roles Roles) (err error) {
	db, err := connectPostgres(dsn, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	m, err := migrator(db, goose.DialectPostgres)
	if err != nil {
		return err
	}
	if _, err := m.Up(ctx); err != nil {
		return fmt.Errorf("the ledger's schema can't be brought to this version: %w", err)
	}
	return grantRoles(ctx, db, roles)
}

// current rejects a schema that is not this version's.
func current(ctx context.Context, db *sql.DB, dialect goose.Dialect) error {
	m, err := migrator(db, dialect)
	if err != nil {
		return err
	}
	how := "`sallyport-gateway ledger migrate` of this version, by the database's owner,"
	if dialect == goose.DialectSQLite3 {
		how = "a gateway of this version that opens it"
	}
	var have int64
	if err := db.QueryRowContext(ctx, sqlSchemaVersion).Scan(&have); err != nil {
		return fmt.Errorf("it holds no ledger of this version; %s makes it one: %w", how, err)
	}
	sources := m.ListSources()
	if want := sources[len(sources)-1].Version; have != want {
		return fmt.Errorf("its schema has version %d, and this program needs %d; %s brings it there", have, want, how)
	}
	return nil
}

// schemaPostgres is what the migrations make of an empty PostgreSQL database, as
// sqlSchemaPostgres lists it. A test compares it with a real one, and writes it.
//
//go:embed migrations/postgres.schema
var schemaPostgres string

func postgresSchema() (map[string]string, error) {
	schema := map[string]string{}
	for line := range strings.Lines(schemaPostgres) {
		name, text, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !ok {
			return nil, fmt.Errorf("the schema that is built in has the line %q", line)
		}
		schema[name] = text
	}
	return schema, nil
}
