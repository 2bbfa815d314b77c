package ledger_test

import (
	"slices"
	"strings"
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

// TestErasedRow: an erasure leaves the row that Rebuild would write, in which an
// agent's text is no more.
func TestErasedRow(t *testing.T) {
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		p := newPlace(t)
		l := p.open(t)
		story := sallyporttest.Approved(1)
		const tool, namespace = "no_tool_of_ours_but_what_an_agent_says", "what-it-says-too"
		story[0].Call.Tool, story[1].Intent.Namespace, story[1].Intent.Resource = tool, namespace, "resource-of-the-agent"
		story[0].Known, story[1].Known = nil, &sallyport.Known{Tool: true, Action: true}
		story = []sallyport.Entry{story[0], story[1], {CallID: story[0].CallID, Kind: sallyport.EntryOutcome, At: story[0].At, Outcome: &sallyport.Outcome{State: sallyport.StateDenied, FinishedAt: story[0].At}}}
		mustRecord(t, l, story...)
		mustRecord(t, l, sallyporttest.Approved(2)...)
		mustClose(t, l)
		for _, e := range [][]sallyport.Entry{story, sallyporttest.Approved(2)} {
			p.erase(t, e[0].CallID)
		}
		before := p.dump(t)
		for _, text := range []string{tool, namespace, "resource-of-the-agent"} {
			if strings.Contains(strings.Join(before, "\n"), text) {
				t.Errorf("of the agent's texts there is left %s: %q", text, before)
			}
		}
		p.mustVerify(t)
		owner := p.database()
		if p.owner != "" {
			owner.DSN = p.owner
		}
		if _, err := ledger.Rebuild(t.Context(), owner); err != nil {
			t.Fatal(err)
		}
		after := p.dump(t)
		slices.Sort(before)
		slices.Sort(after)
		if d := cmp.Diff(before, after); d != "" {
			t.Errorf("(-erased +rebuilt)\n%s", d)
		}
		p.mustVerify(t)
	})
}
