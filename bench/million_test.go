package bench_test

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/ledger"
	"github.com/sallyport/sallyport/sallyporttest"
)

// million is how many leaves, or calls, a ledger has of which something is asked.
const million = 20_000

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
			var proof []byte
			var proving, verifying times
			proving.add(b, 1, b.N, func(int) (err error) {
				proof, err = p.ledger.Prove(context.Background(), story[0].CallID, contents)
				return err
			})
			verifying.add(b, 1, b.N, func(int) error {
				_, err := ledger.VerifyProof(proof, ledger.ProofOptions{Verifiers: note.VerifierList(p.key.Verifier())})
				return err
			})
			b.ReportMetric(float64(len(proof)), "bytes")
			b.ReportMetric(float64(len(proof))/float64(len(story)), "bytes/leaf")
			proving.report(b, "prove-")
			verifying.report(b, "verify-")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// callID is a call's id that says a number.
func callID(n int) string {
	var bits [16]byte
	binary.BigEndian.PutUint64(bits[8:], uint64(n))
	return sallyport.CallID(bits)
}

// archived makes calls of a search. Their records are as long as one of a call
// that was approved.
type archived struct {
	pattern sallyport.Record
	record  string // of the pattern
}

func newArchived(b *testing.B) archived {
	b.Helper()
	var r sallyport.Record
	for _, e := range sallyporttest.Approved(1) {
		next, err := r.Apply(e)
		must(b, err)
		r = next
	}
	text, err := json.Marshal(r)
	must(b, err)
	return archived{r, string(text)}
}

// call is the n-th call: its row without times and record, its time, its record,
// and what it is found by.
func (a archived) call(n int) (id, state, agent, tool, namespace string, at time.Time, record []byte, terms []string) {
	id, agent, tool = callID(n), fmt.Sprintf("agent-%d", n%50), fmt.Sprintf("tool_%d", n%11)
	at = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second)
	namespace = []string{"staging", "production", "sandbox", "build"}[n%4]
	name := fmt.Sprintf("app-%d", n%1000)
	state = string(sallyport.Succeeded)
	for every, other := range map[int]sallyport.State{20: sallyport.Failed, 50: sallyport.Refused, 4999: sallyport.Ambiguous} {
		if n%every == every-1 {
			state = string(other)
		}
	}
	p := a.pattern
	record = []byte(strings.NewReplacer(p.Call.ID, id, p.Call.AgentID, agent, p.Call.Tool, tool, `"state":"`+string(p.State), `"state":"`+state,
		p.Call.ReceivedAt.Format(time.RFC3339Nano), at.Format(time.RFC3339Nano), `"`+p.Intent.Name+`"`, `"`+name+`"`).Replace(a.record))
	terms = []string{
		fmt.Sprintf("trace:%032x", n), "name:" + name, "digest:" + string(digestOf("intent", n)), "digest:" + string(digestOf("tool", n%11)),
		"digest:" + string(digestOf("plan", n)), "digest:" + string(digestOf("ballot", n)),
	}
	if n%10 == 0 {
		terms = append(terms, fmt.Sprintf("person:person-%d", n/10%20))
	}
	return id, state, agent, tool, namespace, at, record, terms
}

func digestOf(what string, n int) sallyport.Digest {
	return sallyport.NewDigest("bench", fmt.Appendf(nil, "%s %d", what, n))
}

// searches are what auditors ask for: n is different each time.
func searches() map[string]func(n int) sallyport.Query {
	day := func(n int) time.Time { return time.Date(2026, 1, 1+n%11, 0, 0, 0, 0, time.UTC) }
	agent := func(n int) string { return fmt.Sprintf("agent-%d", n%50) }
	return map[string]func(int) sallyport.Query{
		"latest": func(int) sallyport.Query { return sallyport.Query{} },
		"agent":  func(n int) sallyport.Query { return sallyport.Query{Agent: agent(n)} },
		"agent-state": func(n int) sallyport.Query {
			return sallyport.Query{Agent: agent(n), States: []sallyport.State{sallyport.Ambiguous}}
		},
		"state": func(int) sallyport.Query { return sallyport.Query{States: []sallyport.State{sallyport.Ambiguous}} },
		"states": func(int) sallyport.Query {
			return sallyport.Query{States: []sallyport.State{sallyport.Failed, sallyport.Refused}}
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
		"digest":      func(n int) sallyport.Query { return sallyport.Query{Digest: digestOf("ballot", n*997%million)} },
		"tool-digest": func(n int) sallyport.Query { return sallyport.Query{Digest: digestOf("tool", n%11), Before: day(n)} },
		"trace":       func(n int) sallyport.Query { return sallyport.Query{TraceID: fmt.Sprintf("%032x", n*991%million)} },
		"person-digest": func(n int) sallyport.Query {
			return sallyport.Query{Person: fmt.Sprintf("person-%d", n%20), Digest: digestOf("tool", n%11)}
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

// archive fills the projection, which is all that a search reads.
func (p place) archive(b *testing.B) {
	b.Helper()
	a := newArchived(b)
	for from := 0; from < million; from += million / 20 {
		p.fill(b, func(f *filler) {
			for n := from; n < from+million/20; n++ {
				id, state, agent, tool, namespace, received, record, terms := a.call(n)
				at := received.UnixNano()
				f.add("calls (call_id, state, final, agent, tool, namespace, arguments, received_at, updated_at, entries, record)",
					id, state, 1, agent, tool, namespace, "", at, at, 8, record)
				for _, t := range terms {
					f.add("terms (term, received_at, call_id)", t, at, id)
				}
			}
		})
	}
	_, err := p.bare.ExecContext(b.Context(), "ANALYZE")
	must(b, err)
}
