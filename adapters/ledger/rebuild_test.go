package ledger_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/sallyporttest"
)

// TestRebuild spoils the projection, and makes it anew: all that is asked of it
// has the answers that it had.
func TestRebuild(t *testing.T) {
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		p := newPlace(t)
		l := p.open(t)
		lifted, lift := freezing(1, sallyport.Freeze{Tool: "gitops_set_image"})
		held, _ := freezing(2, sallyport.Freeze{Namespace: "nowhere"})
		for n := range 5 {
			mustRecord(t, l, sallyporttest.Approved(n)[:8-n]...)
		}
		mustRecord(t, l, lifted, lift, held)
		p.erase(t, sallyporttest.Approved(0)[0].CallID)
		type answers struct {
			Calls, Found sallyport.Page
			Held         []sallyport.FreezeRecord
		}
		ask := func() (a answers) {
			t.Helper()
			var errs [3]error
			a.Calls, errs[0] = l.Calls(t.Context(), sallyport.Query{})
			a.Found, errs[1] = l.Calls(t.Context(), sallyport.Query{Person: "bob"})
			a.Held, errs[2] = l.Held(t.Context())
			for _, err := range errs {
				if err != nil {
					t.Fatal(err)
				}
			}
			return a
		}
		want := ask()
		p.exec(t, "DELETE FROM calls", "DELETE FROM freezes", "DELETE FROM terms", "INSERT INTO terms VALUES ('person:carol', 1, 'x')")
		owner := p.database()
		if p.owner != "" {
			if _, err := ledger.Rebuild(t.Context(), owner); err == nil {
				t.Error("the gateway's role made the projection anew")
			}
			owner.DSN = p.owner
		}
		for range 2 { // again changes nothing
			if n, err := ledger.Rebuild(t.Context(), owner); err != nil || n != 7 {
				t.Fatalf("%d calls and freezes, %v; want 7", n, err)
			}
			if d := cmp.Diff(want, ask()); d != "" {
				t.Errorf("(-before +after)\n%s", d)
			}
			p.mustVerify(t)
		}
		mustRecord(t, l, sallyporttest.Approved(4)[4:]...) // and it goes on
		p.mustVerify(t)
	})
}

// exec runs statements as the database's owner.
func (p place) exec(t *testing.T, statements ...string) {
	t.Helper()
	for _, text := range statements {
		if p.path != "" {
			p.edit(t).exec(text)
			continue
		}
		if _, err := connect(t, p.owner).ExecContext(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
}
