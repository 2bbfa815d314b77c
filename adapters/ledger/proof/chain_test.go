package proof

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/sallyporttest"
)

// steps are a call's entries by name, which forged logs are put together from.
func steps() map[string]sallyport.Entry {
	whole := sallyporttest.Approved(1) // received, intent, decision, ballot, refusal, vote, start, outcome
	id, at := whole[0].CallID, whole[0].At
	all := map[string]sallyport.Entry{}
	for i, name := range []string{"received", "intent", "decision", "ballot", "refusal", "vote", "start", "ran"} {
		all[name] = whole[i]
	}
	for name, e := range map[string]sallyport.Entry{
		"drift":   {Kind: sallyport.EntryDrift, Key: "d", Drift: &sallyport.Drift{Message: "replicas are 4"}},
		"stop":    {Kind: sallyport.EntryStop, Key: "s", Stop: &sallyport.Stop{By: "olga"}},
		"placed":  {Kind: sallyport.EntryPlaced, Placed: &sallyport.Placement{Place: "execution/call", UID: "u"}},
		"plan":    {Kind: sallyport.EntryPlan, Plan: whole[2].Plan},
		"erasure": {Kind: sallyport.EntryErasure, Erasure: &sallyport.Erasure{By: "olga", Reason: "asked for"}},
		"late":    {Kind: sallyport.EntryRefusal, Key: "late", Refusal: whole[4].Refusal},
		"never":   {Kind: sallyport.EntryOutcome, Outcome: &sallyport.Outcome{State: sallyport.StateCancelled, FinishedAt: at}},
		"open":    {Kind: sallyport.EntryOutcome, Outcome: &sallyport.Outcome{State: sallyport.StateRunning, FinishedAt: at}},
		"freeze":  {Kind: sallyport.EntryFreeze, Freeze: &sallyport.Freeze{ID: id, Tool: "http_probe", By: "olga", At: at}},
		"lift":    {Kind: sallyport.EntryLift, Lift: &sallyport.Lift{By: "olga", At: at}},
		"unknown": {Kind: "resolution", Key: "r"},
	} {
		e.CallID, e.At = id, at
		all[name] = e
	}
	carol, no, second, plain, other := *whole[5].Vote, *whole[5].Vote, *whole[3].Ballot, *whole[6].Start, *whole[6].Start
	carol.Person, no.Person, no.Verdict, second.Nonce = "carol", "dora", sallyport.Reject, "second"
	plain.Ballot, plain.People, other.People = "", nil, []string{"carol"}
	with := func(e sallyport.Entry, key string, change func(*sallyport.Entry)) sallyport.Entry {
		if key != "" {
			e.Key = key
		}
		change(&e)
		return e
	}
	all["carol"] = with(whole[5], "carol", func(e *sallyport.Entry) { e.Vote = &carol })
	all["no"] = with(whole[5], "no", func(e *sallyport.Entry) { e.Vote = &no })
	all["ballot2"] = with(whole[3], "second", func(e *sallyport.Entry) { e.Ballot = &second })
	all["plain"] = with(whole[6], "", func(e *sallyport.Entry) { e.Start = &plain })
	all["startOfCarol"] = with(whole[6], "", func(e *sallyport.Entry) { e.Start = &other })
	all["again"] = with(whole[2], "again", func(*sallyport.Entry) {})
	return all
}

// TestChains: what no recorder admits is refused in a log that was signed all the
// same, by proofs with contents and without, and in the published log.
func TestChains(t *testing.T) {
	all := steps()
	build := func(t *testing.T, names string) (*testLog, string) {
		t.Helper()
		l, call := newLog(t), ""
		for name := range strings.FieldsSeq(names) {
			e, ok := all[name]
			if !ok {
				t.Fatalf("there is no step %q", name)
			}
			l.add(e)
			call = e.CallID
		}
		return l, call
	}
	for _, names := range []string{
		"received", "received never", "received intent decision plain ran", "received intent plan decision plain placed ran late", "freeze", "freeze lift",
		"received intent decision ballot refusal vote start ran late erasure", "received intent decision ballot vote ballot2 never erasure",
		"received stop never", "received intent decision ballot no never", "received intent decision ballot carol startOfCarol stop drift ran",
	} {
		l, call := build(t, names)
		f := l.file(call)
		if _, err := check(t, f.closed(), l.verifier); err != nil {
			t.Errorf("%s: %v", names, err)
		}
		for _, f := range l.verifyTiles().Findings {
			t.Errorf("%s: %v", names, f)
		}
	}
	for names, reason := range map[string]string{
		"received intent decision ballot start ran":              "with the approval of a person, and no vote",
		"received intent decision ballot carol start ran":        "another person approved",
		"received intent decision ballot vote carol start":       "it names one of two who approved",
		"received intent decision ballot vote plain ran":         "it names no ballot, and people were asked",
		"received intent decision start ran":                     "it names a ballot, and there was none",
		"received intent decision ballot vote ballot2 start ran": "the votes were on another ballot",
		"received intent decision ballot ballot2 vote":           "the vote is on a ballot that was replaced",
		"received intent decision ballot no start":               "a person said no",
		"received intent decision ballot vote no start":          "a person said no, after another's yes",
		"received intent decision ballot no ballot2":             "a person said no, and was asked again",
		"received intent vote":                                   "no ballot is open",
		"received intent decision ballot vote start carol":       "it runs",
		"received intent decision ballot again":                  "people were asked on another decision",
		"received intent decision ballot plan":                   "people were asked on another plan",
		"received intent decision plan":                          "it has a plan",
		"received plain plain":                                   "once is once",
		"received plain ballot":                                  "it runs",
		"received stop plain":                                    "it was stopped",
		"received stop ballot":                                   "it was stopped",
		"received placed":                                        "it does not run",
		"received ran":                                           "it did not run",
		"received plain never":                                   "it ran",
		"received open":                                          "running is no end",
		"received never stop":                                    "it has ended",
		"received never drift":                                   "it has ended",
		"received never intent":                                  "it has ended",
		"received erasure":                                       "it has not ended",
		"received never erasure late":                            "nothing follows an erasure",
		"received never erasure erasure":                         "nothing follows an erasure",
		"received never freeze":                                  "that is no step of a call",
		"freeze received":                                        "that is no step of a freeze",
		"freeze lift lift":                                       "once is once",
		"lift":                                                   "there is no freeze",
		"intent":                                                 "it was not received",
		"received unknown":                                       "leaves of this version have no such kind",
	} {
		l, call := build(t, names)
		f := l.file(call)
		if _, err := check(t, f.closed(), l.verifier); err == nil {
			t.Errorf("a closed proof of %s was taken: %s", names, reason)
		}
		if _, err := check(t, f, l.verifier); err == nil {
			t.Errorf("a proof of %s was taken: %s", names, reason)
		}
		if l.verifyTiles().OK() {
			t.Errorf("nothing is found in a published log with %s: %s", names, reason)
		}
	}
}

// TestNewerLeaves: a leaf of a later version is not said to be changed.
func TestNewerLeaves(t *testing.T) {
	all := steps()
	l := newLog(t).add(sallyporttest.Approved(0)...).add(all["received"])
	call := all["received"].CallID
	leaf := string(l.add(all["intent"]).leaves[len(l.leaves)-1])
	newer := strings.Replace(leaf, `"version":"sallyport/leaf/v3"`, `"user":"hmac-sha256:00","version":"sallyport/leaf/v4"`, 1)
	newer = strings.Replace(newer, `"number":1`, `"number":2`, 1)
	l.addLeaf(call, newer, "")
	l.add(all["never"])
	if _, err := check(t, l.file(call).closed(), l.verifier); !errors.Is(err, ErrNewer) {
		t.Errorf("the proof: %v", err)
	}
	r := l.verifyTiles()
	if !r.OK() || r.Newer != 1 {
		t.Errorf("%d newer leaves, findings %v", r.Newer, r.Findings)
	}
	for _, version := range []string{"sallyport/leaf/v0", "sallyport/leaf/v02", "sallyport/leaf/v-3", "sallyport/leaf/v3x", "v3", "other/leaf/v9", ""} {
		text, err := json.Marshal(version)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseLeaf([]byte(strings.Replace(leaf, `"sallyport/leaf/v3"`, string(text), 1))); err == nil || errors.Is(err, ErrNewer) {
			t.Errorf("version %q: %v", version, err)
		}
	}
}

// TestFollowsEnd: what may follow an end is a short list.
func TestFollowsEnd(t *testing.T) {
	var may []sallyport.EntryKind
	for _, e := range steps() {
		if e.Kind.FollowsEnd() && !slices.Contains(may, e.Kind) {
			may = append(may, e.Kind)
		}
	}
	slices.Sort(may)
	if want := []sallyport.EntryKind{sallyport.EntryErasure, sallyport.EntryRefusal}; !slices.Equal(may, want) {
		t.Errorf("%v may follow an end, want %v", may, want)
	}
}
