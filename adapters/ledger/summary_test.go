package ledger_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/sallyporttest"
)

// large is the story of a call with arguments as long as an agent may send.
func large(n int) []sallyport.Entry {
	story := sallyporttest.Approved(n)
	arguments := json.RawMessage(`{"manifest":"` + strings.Repeat("replicas: 5 ", 5000) + `"}`)
	story[0].Call.Arguments, story[1].Intent.Arguments = arguments, arguments
	story[7].Outcome.Result = json.RawMessage(`"` + strings.Repeat("result ", 5000) + `"`)
	digest := story[1].Intent.Digest()
	story[3].Ballot.Intent, story[6].Start.Intent = digest, digest
	story[5].Vote.Ballot, story[6].Start.Ballot = story[3].Ballot.Digest(), story[3].Ballot.Digest()
	return story
}

// TestListsReadSummaries: the row by which a call is listed stays small however
// large the call is, and its summary is that of the whole record.
func TestListsReadSummaries(t *testing.T) {
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		p := newPlace(t)
		l := p.open(t)
		mustRecord(t, l, large(1)...)
		page, err := l.Calls(t.Context(), sallyport.Query{})
		if err != nil || len(page.Records) != 1 {
			t.Fatalf("%d calls, %v", len(page.Records), err)
		}
		r, err := l.Call(t.Context(), page.Records[0].Call.ID)
		if err != nil {
			t.Fatal(err)
		}
		want, got := mustJSON(t, r.Summary()), mustJSON(t, page.Records[0])
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(-of the record +listed)\n%s", d)
		}
		if len(got) > 4096 {
			t.Errorf("the row has %d bytes", len(got))
		}
		if len(r.Call.Arguments) < 60000 || len(r.Outcome.Result) < 30000 {
			t.Error("the record has not all of the call")
		}
		p.mustVerify(t)
	})
}

// TestRowsOfAnEarlierVersion: a row that holds the whole record, as earlier versions
// wrote it, verifies, is listed, and becomes a summary with the next entry.
func TestRowsOfAnEarlierVersion(t *testing.T) {
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		p := newPlace(t)
		l := p.open(t)
		story := large(1)
		mustRecord(t, l, story[:6]...)
		r, err := l.Call(t.Context(), story[0].CallID)
		if err != nil {
			t.Fatal(err)
		}
		whole := strings.ReplaceAll(mustJSON(t, r), "'", "''")
		if p.path != "" {
			p.exec(t, "UPDATE calls SET record = CAST('"+whole+"' AS BLOB)")
		} else {
			p.exec(t, "UPDATE calls SET record = convert_to('"+whole+"', 'UTF8')")
		}
		p.mustVerify(t)
		page, err := l.Calls(t.Context(), sallyport.Query{States: []sallyport.State{sallyport.StateAwaitingApproval}})
		if err != nil || len(page.Records) != 1 || mustJSON(t, page.Records[0]) != mustJSON(t, r.Summary()) {
			t.Errorf("%v, %v", page.Records, err)
		}
		mustRecord(t, l, story[6:]...)
		p.mustVerify(t)
	})
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
