package sallyporttest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/sallyporttest"
)

// TestSummary: entry by entry, a summary adds up to that of the record, also where
// it was written and read in between.
func TestSummary(t *testing.T) {
	var r sallyport.Record
	var s sallyport.Summary
	for _, e := range sallyporttest.Approved(1) {
		var err error
		if r, err = r.Apply(e); err != nil {
			t.Fatal(err)
		}
		if s, err = s.Apply(e); err != nil {
			t.Fatal(err)
		}
		want, got := asJSON(t, r.Summary()), asJSON(t, s)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("after its %s (-of the record +entry by entry)\n%s", e.Kind, d)
		}
		s = sallyport.Summary{}
		if err := json.Unmarshal([]byte(got), &s); err != nil {
			t.Fatal(err)
		}
	}
	if s.IntentDigest != r.Intent.Digest() || s.PlanDigest != r.Plan.Digest() {
		t.Errorf("digests %s and %s", s.IntentDigest, s.PlanDigest)
	}
	for _, large := range []string{string(r.Call.Arguments), string(r.Signed), r.Call.Stated.Reason, r.Votes[0].Evidence.Token, r.Plan.Diff[:10], string(r.Outcome.Result)} {
		if strings.Contains(asJSON(t, s), large) {
			t.Errorf("the summary has %s", large)
		}
	}
}

// TestSummaryRefuses: what can't come next in a call can't in its summary.
func TestSummaryRefuses(t *testing.T) {
	story := sallyporttest.Approved(1)
	var s sallyport.Summary
	for n, e := range story {
		for _, other := range story[n+1:] {
			_, err := s.Apply(other)
			if _, want := s.Record.Apply(other); (err == nil) != (want == nil) {
				t.Errorf("a %s as entry %d: %v, and in the record %v", other.Kind, n, err, want)
			}
		}
		var err error
		if s, err = s.Apply(e); err != nil {
			t.Fatal(err)
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
