package compat

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	_ "modernc.org/sqlite" // opens the ledger's file beside the ledger

	"github.com/sallyport/sallyport/adapters/ledger"
)

// TestMigrations pins the files that made the ledgers that there are, and the
// schema that a PostgreSQL ledger is compared with when it is opened.
func TestMigrations(t *testing.T) {
	var lines []string
	for name, text := range code(t).texts {
		if ext := path.Ext(name); ext == ".sql" || ext == ".schema" {
			sum := sha256.Sum256([]byte(text))
			file := path.Base(name)
			if ext == ".sql" {
				file = path.Join(path.Base(path.Dir(name)), file)
			}
			lines = append(lines, fmt.Sprintf("%s sha256:%s", file, hex.EncodeToString(sum[:])))
		}
	}
	slices.Sort(lines)
	pinned{
		"migrations.golden", "Migrations of the ledger, comments included: SQLite stores the text of tables, and the ledger compares it",
		"ledgers that exist are refused as ledgers of another version; a changed schema is a new migration",
	}.hold(t, lines)
}

// TestSchema pins what a new ledger's SQLite file holds, which is what an
// existing one must hold to be opened.
func TestSchema(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.db")
	if err := openLedger(t, ledger.Database{Path: file}).Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), `SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema ORDER BY type, name`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		var kind, name, table, text string
		if err := rows.Scan(&kind, &name, &table, &text); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%s %s of %s: %q", kind, name, table, text))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	pinned{
		"schema.golden", "Schema of a SQLite ledger, with the text that is stored and compared",
		"ledgers that exist are refused as ledgers of another version",
	}.hold(t, lines)
}

// TestChartValues pins the keys of the Helm chart's values.
func TestChartValues(t *testing.T) {
	var lines []string
	for name, text := range code(t).texts {
		if path.Base(name) != "values.yaml" {
			continue
		}
		var root yaml.Node
		if err := yaml.Unmarshal([]byte(text), &root); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, keys(root.Content[0], "")...)
	}
	pinned{
		"chart.golden", "Keys of the Helm chart's values",
		"values that an operator sets have no effect",
	}.hold(t, lines)
}

// keys lists the keys of a document by their path, those of list items once.
func keys(n *yaml.Node, path string) []string {
	var lines []string
	switch n.Kind { //nolint:exhaustive // other nodes hold no keys
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			at := strings.TrimPrefix(path+"."+n.Content[i].Value, ".")
			lines = append(append(lines, at), keys(n.Content[i+1], at)...)
		}
	case yaml.SequenceNode:
		for _, item := range n.Content {
			lines = append(lines, keys(item, path+"[]")...)
		}
	}
	return slices.Compact(lines)
}
