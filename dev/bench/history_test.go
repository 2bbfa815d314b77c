package bench_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/sallyporttest"
)

// busyAgents are how many calls an agent made in the last hour.
var busyAgents = []int{10, 10_000, 100_000}

// countRows is the history by a count of rows, to compare with.
const countRows = `SELECT count(CASE WHEN received_at >= $3 THEN 1 END), count(*),
	count(CASE WHEN tool = $5 AND arguments = $6 THEN 1 END), count(CASE WHEN state = 'denied' THEN 1 END)
	FROM calls WHERE agent = $1 AND received_at >= $4 AND call_id <> $2`

// BenchmarkLedgerHistory reads what policy sees of agents that make few calls and
// many, in turn, and now and then counts the same by rows.
func BenchmarkLedgerHistory(b *testing.B) {
	for _, kind := range []struct {
		name string
		open func(*testing.B) place
	}{{"SQLite", inSQLite}, {"PostgreSQL", inPostgres}} {
		p := kind.open(b)
		now := time.Date(2026, 11, 21, 22, 0, 30, 0, time.UTC)
		last := p.busyHour(b, now)
		b.Run(kind.name, func(b *testing.B) {
			reads, counts := make([]times, len(busyAgents)), make([]times, len(busyAgents))
			for turn := range b.N {
				for i, n := range busyAgents {
					self := last[i]
					reads[i].add(b, 1, 1, func(int) error {
						h, err := p.ledger.History(context.Background(), self, now)
						if err == nil && h.CallsLastHour != n-1 {
							err = fmt.Errorf("%d calls in the last hour, want %d", h.CallsLastHour, n-1)
						}
						return err
					})
					if turn%100 == 0 {
						counts[i].add(b, 1, 1, func(int) error { return p.countRows(self, now) })
					}
				}
			}
			for i, n := range busyAgents {
				b.ReportMetric(float64(reads[i].quantile(50))/float64(reads[0].quantile(50)), fmt.Sprintf("of-%d/10", n))
				b.ReportMetric(float64(counts[i].quantile(50))/float64(reads[i].quantile(50)), fmt.Sprintf("rows-of-%d", n))
				reads[i].report(b, fmt.Sprintf("%d-", n))
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

func (p place) countRows(self sallyport.Intent, now time.Time) error {
	var h [4]int
	digest := sallyport.NewDigest("sallyport/arguments/v1", self.Arguments)
	return p.bare.QueryRowContext(context.Background(), countRows, self.Agent.ID, self.CallID, now.Add(-time.Minute).UnixNano(), now.Add(-time.Hour).UnixNano(),
		self.Tool.Name, string(digest)).Scan(&h[0], &h[1], &h[2], &h[3])
}

// busyHour records the calls of the hour before now, and returns the last of each
// agent.
func (p place) busyHour(b *testing.B, now time.Time) []sallyport.Intent {
	b.Helper()
	var last []sallyport.Intent
	made := 0
	for i, n := range busyAgents {
		agent := fmt.Sprintf("agent-%d", i)
		calls := make([]sallyport.Entry, n)
		for k := range calls {
			e := sallyporttest.Approved(made)[0]
			e.Call.AgentID, e.Call.Arguments = agent, json.RawMessage(fmt.Sprintf(`{"replicas":%d}`, k%100))
			e.Call.ReceivedAt = now.Add(-time.Hour * time.Duration(n-k) / time.Duration(n+1))
			e.At, calls[k] = e.Call.ReceivedAt, e
			made++
		}
		var filling times
		each := make(chan sallyport.Entry, n)
		for _, e := range calls {
			each <- e
		}
		filling.add(b, 64, n, func(int) error {
			_, err := p.ledger.Record(context.Background(), <-each)
			return err
		})
		e := calls[n-1]
		last = append(last, sallyport.Intent{CallID: e.CallID, Agent: sallyport.Agent{ID: agent}, Tool: sallyport.ToolRef{Name: e.Call.Tool}, Arguments: e.Call.Arguments})
	}
	return last
}
