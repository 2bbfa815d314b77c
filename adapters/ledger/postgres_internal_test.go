package ledger

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/sallyporttest/postgrestest"
)

// TestPostgresSchema holds what we know of the schema against what the
// migrations make. With GOLDEN=write in the environment it writes the file
// instead.
func TestPostgresSchema(t *testing.T) {
	pg := postgrestest.Start(t)
	dsn := pg.DSN(pg.Database(t))
	if err := Migrate(t.Context(), dsn, Roles{}); err != nil {
		t.Fatal(err)
	}
	db, err := connectPostgres(dsn, true)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	have, err := schemaOfPostgres(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(have)) {
		lines.WriteString(name + "\t" + have[name] + "\n")
	}
	if os.Getenv("GOLDEN") == "write" {
		if err := os.WriteFile("migrations/postgres.schema", []byte(lines.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(schemaPostgres, lines.String()); d != "" {
		t.Errorf("the schema is not the one that is built in; GOLDEN=write writes it (-want +got)\n%s", d)
	}
}
