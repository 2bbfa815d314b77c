//go:build !race

package server

import (
	"context"
	stdsql "database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/schema/sqlite"
	_ "modernc.org/sqlite" // the driver "sqlite", which the server uses too
)

// openSQLite makes the database where there is none, and keeps other servers
// off its directory.
func openSQLite(ctx context.Context, dir string) (*database, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	held, err := lock(dir)
	if err != nil {
		return nil, err
	}
	path, err := filepath.Abs(filepath.Join(dir, "temporal.db"))
	if err == nil {
		err = ensureSchema(ctx, path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("set up the Temporal database of %s: %w", dir, err), held.Close())
	}
	cfg := &config.SQL{
		PluginName:   sqliteplugin.PluginName,
		DatabaseName: path,
		ConnectAttributes: map[string]string{
			"mode": "rw",
			// The default rollback journal doubles the latency of a workflow.
			"journal_mode": "wal",
			// NORMAL: with a write-ahead log a crash of the process loses
			// nothing, and a crash of the machine at most the last moments.
			"synchronous": "1",
		},
	}
	return &database{main: cfg, visibility: cfg, release: held.Close}, nil
}

// ensureSchema makes the tables unless they are there. It is one
// transaction: a database has all of them or none.
func ensureSchema(ctx context.Context, path string) (err error) {
	db, err := stdsql.Open("sqlite", "file:"+path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	var tables int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE type = 'table'").Scan(&tables); err != nil {
		return err
	}
	if tables > 0 {
		return nil
	}
	if err := sqlite.SetupSchemaOnDB(schemaTx{ctx: ctx, tx: tx}); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	return os.Chmod(path, 0o600)
}

// schemaTx runs a schema's statements in a transaction. Exec is all that
// setting up a schema calls.
type schemaTx struct {
	sqlplugin.AdminDB
	ctx context.Context //nolint:containedctx // Exec takes none
	tx  *stdsql.Tx
}

// Exec runs one statement.
func (s schemaTx) Exec(statement string, args ...any) error {
	_, err := s.tx.ExecContext(s.ctx, statement, args...)
	return err
}
