package ledger_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/sallyporttest"
)

// received is the receipt of some call at a time.
func received(n int, agent, arguments string, at time.Time) sallyport.Entry {
	e := sallyporttest.Approved(n)[0]
	call := *e.Call
	call.AgentID, call.Arguments, call.ReceivedAt = agent, json.RawMessage(arguments), at
	e.Call, e.At = &call, at
	return e
}

// denied is the end of a call that policy denies.
func denied(e sallyport.Entry) sallyport.Entry {
	return sallyport.Entry{CallID: e.CallID, Kind: sallyport.EntryOutcome, At: e.At, Outcome: &sallyport.Outcome{State: sallyport.StateDenied, FinishedAt: e.At}}
}

// counted are calls around the edges of minutes and hours, and what a count of
// each of them says.
type counted struct {
	calls  []sallyport.Entry
	denied map[string]bool
}

func (c counted) history(self sallyport.Intent, now time.Time) (h sallyport.History) {
	for _, e := range c.calls {
		ago := now.Sub(e.Call.ReceivedAt)
		if e.Call.AgentID != self.Agent.ID || e.CallID == self.CallID || ago > time.Hour {
			continue
		}
		h.CallsLastHour++
		if ago <= time.Minute {
			h.CallsLastMinute++
		}
		if string(e.Call.Arguments) == string(self.Arguments) && e.Call.Tool == self.Tool.Name {
			h.SameArgumentsLastHour++
		}
		if c.denied[e.CallID] {
			h.DeniedLastHour++
		}
	}
	return h
}

// busyHours are the calls of three agents within some hours.
func busyHours(t *testing.T, l sallyport.Recorder, from time.Time) counted {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	c := counted{denied: map[string]bool{}}
	for n := range 400 {
		at := from.Add(time.Duration(random.Int64N(int64(3 * time.Hour))))
		switch n % 4 {
		case 0: // the edges of minutes
			at = at.Truncate(time.Minute)
		case 1:
			at = at.Truncate(time.Minute).Add(-1)
		}
		e := received(n, fmt.Sprintf("agent-%d", n%3), fmt.Sprintf(`{"replicas":%d}`, random.IntN(3)), at)
		c.calls = append(c.calls, e)
		mustRecord(t, l, e)
		if n%5 == 0 {
			c.denied[e.CallID] = true
			mustRecord(t, l, denied(e))
		}
	}
	return c
}

// TestHistoryIsExact: what policy sees of an agent is what a count of its calls one
// by one says, at any time and to the nanosecond.
func TestHistoryIsExact(t *testing.T) {
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		p := newPlace(t)
		l := p.open(t)
		from := time.Date(2026, 11, 21, 22, 0, 0, 0, time.UTC)
		c := busyHours(t, l, from)
		for n, e := range c.calls {
			self := sallyport.Intent{CallID: e.CallID, Agent: sallyport.Agent{ID: e.Call.AgentID}, Tool: sallyport.ToolRef{Name: e.Call.Tool}, Arguments: e.Call.Arguments}
			now := c.calls[(n*7)%len(c.calls)].Call.ReceivedAt.Add([]time.Duration{0, time.Minute, time.Hour, time.Hour + 1, time.Minute - 1, 90 * time.Second}[n%6])
			got, err := l.History(t.Context(), self, now)
			if d := cmp.Diff(c.history(self, now), got); d != "" || err != nil {
				t.Fatalf("call %d at %s: %v (-counted +got)\n%s", n, now, err, d)
			}
		}
		p.mustVerify(t)
	})
}

// recordDenied records a call that is denied, and returns its receipt.
func recordDenied(t *testing.T, l *ledger.Ledger) sallyport.Entry {
	t.Helper()
	e := received(1, "deploy-bot", `{"replicas":5}`, time.Date(2026, 11, 21, 22, 0, 7, 0, time.UTC))
	mustRecord(t, l, e, denied(e))
	return e
}

// TestCounters changes what the counters say: Verify finds it, and Rebuild mends
// it.
func TestCounters(t *testing.T) {
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		p := newPlace(t)
		l := p.open(t)
		recordDenied(t, l)
		mustRecord(t, l, sallyporttest.Approved(2)...)
		owner := p.database()
		if p.owner != "" {
			owner.DSN = p.owner
		}
		for _, change := range []string{
			"UPDATE counters SET n = n - 1 WHERE name = 'calls'", "UPDATE counters SET n = 0 WHERE name = 'denied'", "UPDATE counters SET n = 1 WHERE name = 'bytes'", "UPDATE counters SET minute = minute - 60",
			"UPDATE counters SET agent = 'other'", "UPDATE counters SET part = part || 'x' WHERE name = 'same'", "DELETE FROM counters WHERE name = 'same'", "DELETE FROM counters",
			"INSERT INTO counters VALUES ('other-bot', 'calls', '', 1, 1)", "INSERT INTO counters VALUES ('deploy-bot', 'writes', '', 1, 1)",
		} {
			p.mustVerify(t)
			p.exec(t, change)
			r, err := p.verify(t)
			if err != nil || r.OK() || !strings.HasPrefix(r.Findings[0].Where, "counter ") {
				t.Errorf("%s: %v, findings %v", change, err, r.Findings)
			}
			if _, err := ledger.Rebuild(t.Context(), owner); err != nil {
				t.Fatal(err)
			}
		}
		p.mustVerify(t)
	})
}

// TestErasedCounters: of an erased call, no counter says any more what its
// arguments were, and the others count it as before.
func TestErasedCounters(t *testing.T) {
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		p := newPlace(t)
		l := p.open(t)
		e := recordDenied(t, l)
		p.erase(t, e.CallID)
		got, err := l.History(t.Context(), sallyport.Intent{Agent: sallyport.Agent{ID: "deploy-bot"}, Tool: sallyport.ToolRef{Name: e.Call.Tool}, Arguments: e.Call.Arguments}, e.At)
		want := sallyport.History{CallsLastMinute: 1, CallsLastHour: 1, DeniedLastHour: 1}
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%v (-want +got)\n%s", err, d)
		}
		if left := strings.Join(p.dump(t), "\n"); strings.Contains(left, "same") {
			t.Errorf("a counter of its arguments is left: %s", left)
		}
		p.mustVerify(t)
	})
}

// TestCountersOfAnEarlierVersion: a ledger from before there were counters has those
// of its calls when it has been migrated.
func TestCountersOfAnEarlierVersion(t *testing.T) {
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		p := newPlace(t)
		l := p.open(t)
		recordDenied(t, l)
		mustClose(t, l)
		if p.path != "" {
			p.exec(t, "DROP TABLE counters", "ALTER TABLE calls DROP COLUMN bytes", "DELETE FROM goose_db_version WHERE version_id >= 4")
		} else { // PostgreSQL remembers a dropped column's place: only what fills it is run again
			p.exec(t, "DROP TABLE counters", "UPDATE calls SET bytes = 0", migration(t, "00005_counters"))
			_, fill, _ := strings.Cut(migration(t, "00006_bytes"), ";")
			p.exec(t, fill)
			if err := ledger.Migrate(t.Context(), p.owner, ledger.Roles{Gateway: gateway, Eraser: eraser}); err != nil {
				t.Fatal(err)
			}
		}
		mustRecord(t, p.open(t), sallyporttest.Approved(2)...)
		p.mustVerify(t)
	})
}

func migration(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("migrations/postgres/" + name + ".sql")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
