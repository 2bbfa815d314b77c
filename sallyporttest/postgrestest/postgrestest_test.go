package postgrestest_test

import (
	"database/sql"
	"testing"

	"github.com/sallyport/sallyport/sallyporttest/postgrestest"
)

// TestCluster makes a table, kills the server, and finds the table.
func TestCluster(t *testing.T) {
	t.Parallel()
	pg := postgrestest.Start(t)
	name := pg.Database(t)
	pg.Exec(t, name, "CREATE TABLE word (said TEXT)", "INSERT INTO word VALUES ('here')", "CREATE EXTENSION btree_gin")
	pg.Kill(t)
	pg.Restart(t)

	db, err := sql.Open("pgx", pg.DSN(name))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var said string
	if err := db.QueryRowContext(t.Context(), "SELECT said FROM word").Scan(&said); err != nil || said != "here" {
		t.Errorf("said %q: %v", said, err)
	}
}
