package instancetest_test

import (
	"database/sql"
	"maps"
	"os"
	"slices"
	"testing"

	"modernc.org/sqlite"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
	"github.com/sallyport/sallyport/adapters/oidc"
	"github.com/sallyport/sallyport/dev/idp"
	"github.com/sallyport/sallyport/dev/instancetest"
)

// evidence is what the ledger's database says of a call, read past the
// gateway.
type evidence struct {
	state sallyport.State
	tool  string
	kinds []sallyport.EntryKind
}

// ran reports whether the call's leaves begin an act and end it.
func (e evidence) ran() bool {
	start, end := slices.Index(e.kinds, sallyport.EntryStart), slices.Index(e.kinds, sallyport.EntryOutcome)
	return 0 <= start && start < end
}

// open opens a database of the instance, whether it runs or not. Both wait
// for each other's transactions.
func open(t *testing.T, path string) *sql.DB {
	t.Helper()
	c, err := sqlite.NewConnector("file:" + path + "?mode=rw&_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// book is the ledger's database.
type book struct {
	t  *testing.T
	db *sql.DB
}

func openBook(t *testing.T, i *instancetest.Instance) book {
	t.Helper()
	return book{t, open(t, i.Path("ledger.db"))}
}

// calls is what there is of every call, by id.
func (b book) calls() map[string]evidence {
	b.t.Helper()
	calls := map[string]evidence{}
	b.each("SELECT call_id, state, tool FROM calls", func(scan func(...any) error) error {
		var id string
		var e evidence
		err := scan(&id, &e.state, &e.tool)
		calls[id] = e
		return err
	})
	b.each("SELECT call_id, kind FROM leaves ORDER BY idx", func(scan func(...any) error) error {
		var id string
		var kind sallyport.EntryKind
		err := scan(&id, &kind)
		e := calls[id]
		e.kinds = append(e.kinds, kind)
		calls[id] = e
		return err
	})
	return calls
}

// size is how many leaves there are.
func (b book) size() int {
	b.t.Helper()
	n := 0
	b.each("SELECT count(*) FROM leaves", func(scan func(...any) error) error { return scan(&n) })
	return n
}

func (b book) each(query string, row func(scan func(...any) error) error) {
	b.t.Helper()
	rows, err := b.db.QueryContext(b.t.Context(), query)
	if err != nil {
		b.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			b.t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		b.t.Fatal(err)
	}
}

func (b book) exec(statement string, args ...any) {
	b.t.Helper()
	if _, err := b.db.ExecContext(b.t.Context(), statement, args...); err != nil {
		b.t.Fatal(err)
	}
}

// verify is what an auditor finds in the ledger.
func verify(t *testing.T, i *instancetest.Instance) proof.Report {
	t.Helper()
	public, err := os.ReadFile(i.Path("ledger.pub"))
	if err != nil {
		t.Fatal(err)
	}
	verifiers, err := proof.Verifiers(string(public))
	if err != nil {
		t.Fatal(err)
	}
	report, err := ledger.Verify(t.Context(), ledger.VerifyOptions{
		Database: ledger.Database{Path: i.Path("ledger.db")}, Verifiers: verifiers,
		SignedVote: oidc.Kept{Audience: idp.VoteAudience}.Verify,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		t.Errorf("the ledger is not as it was written: %s", f)
	}
	return report
}

// wantSound checks what must hold of all calls, whatever died in between.
func wantSound(t *testing.T, i *instancetest.Instance, calls map[string]evidence) {
	t.Helper()
	landed := commits(t, i)
	for id, n := range landed {
		if n > 1 {
			t.Errorf("call %s has %d commits", id, n)
		}
		if !calls[id].ran() {
			t.Errorf("call %s has a commit, and its leaves are %v", id, calls[id].kinds)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(calls)) {
		c := calls[id]
		if !c.state.Final() {
			t.Errorf("call %s has not ended: it is %s with %v", id, c.state, c.kinds)
		}
		if c.state.Ran() != c.ran() {
			t.Errorf("call %s is %s, and its leaves are %v", id, c.state, c.kinds)
		}
		writes := c.tool == "gitops_scale_deployment"
		if succeeded := c.state == sallyport.StateSucceeded; writes && succeeded != (landed[id] == 1) {
			t.Errorf("call %s is %s and has %d commits", id, c.state, landed[id])
		}
	}
	if r := verify(t, i); len(r.Unfinished) != 0 || r.Calls != int64(len(calls)) {
		t.Errorf("an auditor sees %d calls, %v of them unfinished; there are %d", r.Calls, r.Unfinished, len(calls))
	}
}
