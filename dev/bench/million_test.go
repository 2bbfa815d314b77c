package bench_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
	"github.com/sallyport/sallyport/sallyporttest"
)

// million is how many leaves, or calls, a ledger has of which something is asked.
const million = 1_000_000

// must fails a benchmark that can't go on.
func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// filler adds rows to tables, many with one statement, within one transaction.
type filler struct {
	b    *testing.B
	tx   *sql.Tx
	rows map[string][]any // by table and columns
}

func (p place) fill(b *testing.B, with func(*filler)) {
	b.Helper()
	tx, err := p.bare.BeginTx(b.Context(), nil)
	must(b, err)
	f := &filler{b, tx, map[string][]any{}}
	with(f)
	for into, values := range f.rows {
		f.flush(into, values)
	}
	must(b, tx.Commit())
}

// add adds a row, such as to "nodes (idx, hash)".
func (f *filler) add(into string, values ...any) {
	if f.rows[into] = append(f.rows[into], values...); len(f.rows[into]) >= 50*len(values) {
		f.flush(into, f.rows[into])
		f.rows[into] = nil
	}
}

func (f *filler) flush(into string, values []any) {
	columns := strings.Count(into, ",") + 1
	var text strings.Builder
	for i := range values {
		switch {
		case i == 0:
			text.WriteString("INSERT INTO " + into + " VALUES ($1")
		case i%columns == 0:
			fmt.Fprintf(&text, "), ($%d", i+1)
		default:
			fmt.Fprintf(&text, ", $%d", i+1)
		}
	}
	if len(values) > 0 {
		_, err := f.tx.ExecContext(f.b.Context(), text.String()+")", values...)
		must(f.b, err)
	}
}

// BenchmarkProof proves a call that is among the last of a million leaves, and
// verifies the proof with the public key alone.
func BenchmarkProof(b *testing.B) {
	p := inSQLite(b)
	nodes := make([]tlog.Hash, 0, 2*million)
	stored := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			hashes[i] = nodes[x]
		}
		return hashes, nil
	})
	story := sallyporttest.Approved(1)
	size := int64(million - len(story))
	p.fill(b, func(f *filler) {
		for n := range size {
			leaf := fmt.Appendf(nil, `{"call":%q,"filler":%q,"number":0}`, callID(int(n)), strings.Repeat("x", 500))
			f.add("leaves (idx, call_id, number, kind, key, leaf)", n, callID(int(n)), 0, "received", "", leaf)
			hashes, err := tlog.StoredHashes(n, leaf, stored)
			must(b, err)
			for _, h := range hashes {
				f.add("nodes (idx, hash)", len(nodes), h[:])
				nodes = append(nodes, h)
			}
		}
		root, err := tlog.TreeHash(size, stored)
		must(b, err)
		_, err = f.tx.ExecContext(b.Context(), "UPDATE head SET size = $1, hash = $2 WHERE id = 1", size, root[:])
		must(b, err)
	})
	for _, e := range story {
		_, err := p.ledger.Record(b.Context(), e)
		must(b, err)
	}
	for name, contents := range map[string]bool{"closed": false, "open": true} {
		b.Run(name, func(b *testing.B) {
			var made []byte
			var proving, verifying times
			proving.add(b, 1, b.N, func(int) (err error) {
				made, err = p.ledger.Prove(context.Background(), story[0].CallID, contents)
				return err
			})
			verifying.add(b, 1, b.N, func(int) error {
				_, err := proof.Verify(made, proof.Options{Verifiers: note.VerifierList(p.key.Verifier())})
				return err
			})
			b.ReportMetric(float64(len(made)), "bytes")
			b.ReportMetric(float64(len(made))/float64(len(story)), "bytes/leaf")
			proving.report(b, "prove-")
			verifying.report(b, "verify-")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// callID is a call's id that says a number.
func callID(n int) string {
	letters := strings.Map(func(digit rune) rune { return 'a' + digit - '0' }, fmt.Sprintf("%07d", n))
	return strings.Repeat("a", 18) + letters + "a"
}

// digest is a call's of some kind, or that of a tool.
func digest(kind, n int) sallyport.Digest {
	return sallyport.Digest(fmt.Sprintf("sha256:%01x%063x", kind, n))
}

// searches are what auditors ask for: n is different each time.
func searches() map[string]func(n int) sallyport.Query {
	day := func(n int) time.Time { return time.Date(2026, 1, 1+n%11, 0, 0, 0, 0, time.UTC) }
	agent := func(n int) string { return fmt.Sprintf("agent-%d", n%50) }
	return map[string]func(int) sallyport.Query{
		"latest": func(int) sallyport.Query { return sallyport.Query{} },
		"agent":  func(n int) sallyport.Query { return sallyport.Query{Agent: agent(n)} },
		"agent-state": func(n int) sallyport.Query {
			return sallyport.Query{Agent: agent(n), States: []sallyport.State{sallyport.StateAmbiguous}}
		},
		"state": func(int) sallyport.Query { return sallyport.Query{States: []sallyport.State{sallyport.StateAmbiguous}} },
		"states": func(int) sallyport.Query {
			return sallyport.Query{States: []sallyport.State{sallyport.StateFailed, sallyport.StateDenied}}
		},
		"tool-day": func(n int) sallyport.Query {
			return sallyport.Query{Tool: fmt.Sprintf("tool_%d", n%11), Since: day(n), Before: day(n).AddDate(0, 0, 1)}
		},
		"target": func(n int) sallyport.Query {
			return sallyport.Query{Namespace: "production", Name: fmt.Sprintf("app-%d", n%1000)}
		},
		"person": func(n int) sallyport.Query { return sallyport.Query{Person: fmt.Sprintf("person-%d", n%20)} },
		"person-agent-day": func(n int) sallyport.Query {
			return sallyport.Query{Person: fmt.Sprintf("person-%d", n%20), Agent: agent(n), Since: day(n)}
		},
		"digest":      func(n int) sallyport.Query { return sallyport.Query{Digest: digest(ballotDigest, n*997%million)} },
		"tool-digest": func(n int) sallyport.Query { return sallyport.Query{Digest: digest(toolDigest, n%11), Before: day(n)} },
		"trace":       func(n int) sallyport.Query { return sallyport.Query{TraceID: fmt.Sprintf("%032x", n*991%million)} },
		"person-digest": func(n int) sallyport.Query {
			return sallyport.Query{Person: fmt.Sprintf("person-%d", n%20), Digest: digest(toolDigest, n%11)}
		},
	}
}

// BenchmarkSearch asks a ledger of a million calls for pages of 50. It says how
// often by itself: run it with -benchtime=1x.
func BenchmarkSearch(b *testing.B) {
	for _, kind := range []struct {
		name string
		open func(*testing.B) place
	}{{"SQLite", inSQLite}, {"PostgreSQL", inPostgres}} {
		b.Run(kind.name, func(b *testing.B) {
			p := kind.open(b)
			p.archive(b)
			var all times
			for name, query := range searches() {
				var each times
				n := 0
				cursor, found := "", 0
				each.add(b, 1, 200, func(int) error {
					if cursor == "" {
						n++
					}
					q := query(n)
					q.Cursor = cursor // every other page is a second one, where there is one
					page, err := p.ledger.Calls(context.Background(), q)
					if cursor = page.Cursor; q.Cursor != "" {
						cursor = ""
					}
					found += len(page.Records)
					return err
				})
				all.took, all.total = append(all.took, each.took...), all.total+each.total
				b.Logf("%-16s %5.1f calls, p50 %-10s p99 %s", name, float64(found)/200, each.quantile(50).Round(10*time.Microsecond), each.quantile(99).Round(10*time.Microsecond))
			}
			all.report(b, "")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// The kinds of digests.
const (
	intentDigest = iota
	planDigest
	ballotDigest
	toolDigest
)

// archive fills the projection, which is all that a search reads: a call a second,
// with records as long as that of a call that was approved.
func (p place) archive(b *testing.B) {
	b.Helper()
	var pattern sallyport.Record
	for _, e := range sallyporttest.Approved(1) {
		next, err := pattern.Apply(e)
		must(b, err)
		pattern = next
	}
	record, err := json.Marshal(pattern)
	must(b, err)
	// What differs between the two databases.
	numbers, hex, at, bytes := "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < $1 - 1)",
		func(digits int, of string) string { return fmt.Sprintf("printf('%%0%dx', %s)", digits, of) },
		"strftime('%Y-%m-%dT%H:%M:%SZ', 1767225600 + i, 'unixepoch')", "CAST(%s AS BLOB)"
	decimal := "printf('%07d', i)"
	if p.postgres {
		numbers = "WITH n(i) AS (SELECT * FROM generate_series(0, $1::int - 1))"
		hex = func(digits int, of string) string { return fmt.Sprintf("lpad(to_hex(%s), %d, '0')", of, digits) }
		at, bytes = "to_char(to_timestamp(1767225600 + i) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')", "convert_to(%s, 'UTF8')"
		decimal = "lpad(i::text, 7, '0')"
	}
	id := decimal
	for digit := range 10 {
		id = fmt.Sprintf("replace(%s, '%d', '%c')", id, digit, 'a'+digit)
	}
	id = "'" + strings.Repeat("a", 18) + "' || " + id + " || 'a'"
	state := "CASE WHEN i % 4999 = 4998 THEN 'ambiguous' WHEN i % 50 = 49 THEN 'denied' WHEN i % 20 = 19 THEN 'failed' ELSE 'succeeded' END"
	nanos := "1767225600000000000 + i * CAST(1000000000 AS BIGINT)"
	written := "CAST($2 AS TEXT)"
	for old, now := range map[string]string{
		pattern.Call.ID: id, `"` + pattern.Call.AgentID + `"`: "'\"agent-' || (i % 50) || '\"'", `"` + pattern.Call.Tool + `"`: "'\"tool_' || (i % 11) || '\"'",
		`"state":"` + string(pattern.State): "'\"state\":\"' || " + state, pattern.Call.ReceivedAt.Format(time.RFC3339Nano): at,
	} {
		written = fmt.Sprintf("replace(%s, '%s', %s)", written, old, now)
	}
	run := func(text string, args ...any) {
		_, err := p.bare.ExecContext(b.Context(), text, args...)
		must(b, err)
	}
	run(numbers+` INSERT INTO calls (call_id, state, final, agent, tool, namespace, arguments, received_at, updated_at, entries, record)
		SELECT `+id+`, `+state+`, 1, 'agent-' || (i % 50), 'tool_' || (i % 11), CASE i % 4 WHEN 0 THEN 'staging' WHEN 1 THEN 'production' WHEN 2 THEN 'sandbox' ELSE 'build' END,
		'', `+nanos+`, `+nanos+`, 8, `+fmt.Sprintf(bytes, written)+` FROM n`, million, string(record))
	digest := func(kind int, of string) string { return fmt.Sprintf("'digest:sha256:%01x' || %s", kind, hex(63, of)) }
	for _, term := range []string{
		"'trace:' || " + hex(32, "i"), "'name:app-' || (i % 1000)", digest(intentDigest, "i"), digest(planDigest, "i"), digest(ballotDigest, "i"), digest(toolDigest, "i % 11"),
	} {
		run(numbers+" INSERT INTO terms SELECT "+term+", "+nanos+", "+id+" FROM n", million)
	}
	run(numbers+" INSERT INTO terms SELECT 'person:person-' || (i / 10 % 20), "+nanos+", "+id+" FROM n WHERE i % 10 = 0", million)
	run("ANALYZE")
}
