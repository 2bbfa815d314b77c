//go:build !race

package server

import (
	"bytes"
	"context"
	stdsql "database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"go.temporal.io/server/common/persistence"
	"go.temporal.io/server/schema"

	"github.com/sallyport/sallyport"
)

// schemaOf is the tables that this server wants in a database. Their
// statements and versions are the Temporal server's own.
type schemaOf struct {
	database string
	dir      string // in the server's schema files
	version  string
}

// versionTables are where Temporal's own tools too write the version.
const versionTables = `
CREATE TABLE schema_version (version_partition INT NOT NULL, db_name VARCHAR(255) NOT NULL, creation_time TIMESTAMP,
	curr_version VARCHAR(64), min_compatible_version VARCHAR(64), PRIMARY KEY (version_partition, db_name));
CREATE TABLE schema_update_history (version_partition INT NOT NULL, year INT NOT NULL, month INT NOT NULL, update_time TIMESTAMP NOT NULL,
	description VARCHAR(255), manifest_md5 VARCHAR(64), new_version VARCHAR(64), old_version VARCHAR(64),
	PRIMARY KEY (version_partition, year, month, update_time));`

const writeVersion = `
INSERT INTO schema_version (version_partition, db_name, creation_time, curr_version, min_compatible_version) VALUES (0, $1, $2, $3, $4)
ON CONFLICT (version_partition, db_name) DO UPDATE SET creation_time = excluded.creation_time,
	curr_version = excluded.curr_version, min_compatible_version = excluded.min_compatible_version`

// ensure makes the tables, or brings older ones up to date. The caller holds
// the lock of the databases.
func (s schemaOf) ensure(ctx context.Context, p Postgres) (err error) {
	db, err := p.open(ctx, s.database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	have, err := s.read(ctx, db)
	switch {
	case err != nil:
		return err
	case have == "":
		return s.create(ctx, db)
	}
	switch order, err := compareVersions(have, s.version); {
	case err != nil:
		return err
	case order > 0:
		return sallyport.Errorf(sallyport.Conflict, "newer_schema",
			"they are of schema version %s and this server knows %s: a newer server has been here, run that one", have, s.version)
	case order == 0:
		return nil
	}
	return s.upgrade(ctx, db, have)
}

// read is the version of the tables, or "" where there are none at all.
func (s schemaOf) read(ctx context.Context, db *stdsql.DB) (version string, err error) {
	var tables, versioned int
	const count = `SELECT count(*), count(*) FILTER (WHERE table_name = 'schema_version') FROM information_schema.tables WHERE table_schema = 'public'`
	if err := db.QueryRowContext(ctx, count).Scan(&tables, &versioned); err != nil {
		return "", err
	}
	if tables == 0 {
		return "", nil
	}
	if versioned == 0 {
		return "", sallyport.Errorf(sallyport.Conflict, "foreign_tables", "the database holds tables that are not Temporal's: give the server one of its own")
	}
	err = db.QueryRowContext(ctx, "SELECT curr_version FROM schema_version WHERE version_partition = 0 AND db_name = $1", s.database).Scan(&version)
	if errors.Is(err, stdsql.ErrNoRows) {
		return "", sallyport.Errorf(sallyport.Conflict, "foreign_tables", "the tables were made for a database of another name: rename it back, or use an empty one")
	}
	return version, err
}

// create makes all tables in one transaction: there are all of them or none.
func (s schemaOf) create(ctx context.Context, db *stdsql.DB) error {
	statements, err := s.statements("schema.sql")
	if err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	for _, statement := range append([]string{versionTables}, statements...) {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return explain(err)
		}
	}
	if _, err := tx.ExecContext(ctx, writeVersion, s.database, time.Now().UTC(), s.version, s.version); err != nil {
		return err
	}
	return tx.Commit()
}

// explain adds what helps where an extension can't be made.
func explain(err error) error {
	if strings.Contains(err.Error(), "btree_gin") {
		return fmt.Errorf("%w; the extension btree_gin comes with PostgreSQL's contrib package, and making it needs the database to be the user's own", err)
	}
	return err
}

// change is one version's step from the one before.
type change struct {
	Version       string   `json:"CurrVersion"`
	MinCompatible string   `json:"MinCompatibleVersion"`
	Description   string   `json:"Description"`
	Files         []string `json:"SchemaUpdateCqlFiles"`
	dir           string
}

// upgrade takes older tables along version by version. Some steps make indexes
// while the tables are in use, which no transaction may do; so a step that was
// cut short is taken again, and finds what it made already.
func (s schemaOf) upgrade(ctx context.Context, db *stdsql.DB, from string) error {
	changes, err := s.changes(from)
	if err != nil {
		return err
	}
	for _, c := range changes {
		if err := s.apply(ctx, db, from, c); err != nil {
			return fmt.Errorf("from version %s to %s: %w", from, c.Version, explain(err))
		}
		from = c.Version
	}
	return nil
}

func (s schemaOf) apply(ctx context.Context, db *stdsql.DB, from string, c change) error {
	for _, file := range c.Files {
		statements, err := s.statements(path.Join("versioned", c.dir, file))
		if err != nil {
			return err
		}
		for _, statement := range statements {
			if _, err := db.ExecContext(ctx, statement); err != nil && !strings.Contains(err.Error(), "already exist") {
				return err
			}
		}
	}
	now := time.Now().UTC()
	if _, err := db.ExecContext(ctx, writeVersion, s.database, now, c.Version, c.MinCompatible); err != nil {
		return err
	}
	_, err := db.ExecContext(ctx, `INSERT INTO schema_update_history
		(version_partition, year, month, update_time, old_version, new_version, manifest_md5, description) VALUES (0, $1, $2, $3, $4, $5, '', $6)`,
		now.Year(), int(now.Month()), now, from, c.Version, c.Description)
	return err
}

// changes are the steps after a version, in order.
func (s schemaOf) changes(from string) ([]change, error) {
	root := path.Join(s.dir, "versioned")
	dirs, err := fs.ReadDir(schema.Assets(), root)
	if err != nil {
		return nil, err
	}
	var changes []change
	for _, d := range dirs {
		data, err := fs.ReadFile(schema.Assets(), path.Join(root, d.Name(), "manifest.json"))
		if err != nil {
			return nil, err
		}
		c := change{dir: d.Name()}
		if err := json.Unmarshal(data, &c); err != nil {
			return nil, fmt.Errorf("%s: %w", d.Name(), err)
		}
		order, err := compareVersions(c.Version, from)
		if err != nil {
			return nil, err
		}
		if order > 0 {
			changes = append(changes, c)
		}
	}
	slices.SortFunc(changes, func(a, b change) int {
		order, _ := compareVersions(a.Version, b.Version) // both were compared before
		return order
	})
	return changes, nil
}

func (s schemaOf) statements(file string) ([]string, error) {
	data, err := fs.ReadFile(schema.Assets(), path.Join(s.dir, file))
	if err != nil {
		return nil, err
	}
	return persistence.LoadAndSplitQueryFromReaders([]io.Reader{bytes.NewReader(data)})
}

// compareVersions orders versions such as 1.9 and 1.19.
func compareVersions(a, b string) (int, error) {
	x, err := version(a)
	if err != nil {
		return 0, err
	}
	y, err := version(b)
	return slices.Compare(x[:], y[:]), err
}

func version(text string) (v [2]int, err error) {
	if n, err := fmt.Sscanf(text, "%d.%d", &v[0], &v[1]); n != 2 || err != nil {
		return v, fmt.Errorf("%q is no version of a schema", text)
	}
	return v, nil
}
