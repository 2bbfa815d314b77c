package sallyport_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
)

// entries are one entry of each kind, of a call that two ballots were held
// on, and its possible ends.
func entries() map[string]sallyport.Entry {
	g := approved()
	first := *g.Ballot
	first.Terms.Quorum = 1
	second := first
	second.Nonce = "n2"
	yes, yesToSecond, no := vote(first, "bob"), vote(second, "bob"), vote(first, "carol")
	start := func(b sallyport.Ballot) *sallyport.Start {
		return &sallyport.Start{Intent: g.Intent.Digest(), Ballot: b.Digest(), People: []string{"bob"}}
	}
	no.Verdict = sallyport.Reject
	all := map[string]sallyport.Entry{
		"received": {Kind: sallyport.EntryReceived, Call: &g.Call, Signed: "signed"},
		"intent":   {Kind: sallyport.EntryIntent, Intent: &g.Intent},
		"decision": {Kind: sallyport.EntryDecision, Decision: &g.Decision, Plan: g.Plan},
		"plan":     {Kind: sallyport.EntryPlan, Plan: g.Plan},
		"drift":    {Kind: sallyport.EntryDrift, Drift: &sallyport.Drift{Message: "replicas are 4, not 3"}},
		"stop":     {Kind: sallyport.EntryStop, Stop: &sallyport.Stop{By: "olga"}},
		"placed":   {Kind: sallyport.EntryPlaced, Placed: &sallyport.Placement{Place: "execution/call", UID: "u"}},
		"erasure":  {Kind: sallyport.EntryErasure, Erasure: &sallyport.Erasure{By: "olga", Reason: "asked for"}},
		"ballot":   {Kind: sallyport.EntryBallot, Ballot: &first, Key: "1"},
		"ballot2":  {Kind: sallyport.EntryBallot, Ballot: &second, Key: "2"},
		"vote":     {Kind: sallyport.EntryVote, Vote: &yes, Key: "1"},
		"no":       {Kind: sallyport.EntryVote, Vote: &no, Key: "3"},
		"vote2":    {Kind: sallyport.EntryVote, Vote: &yesToSecond, Key: "2"},
		"refusal":  {Kind: sallyport.EntryRefusal, Refusal: &sallyport.Refusal{Code: "own_agent"}},
		"start":    {Kind: sallyport.EntryStart, Start: &sallyport.Start{Intent: g.Intent.Digest()}},
		"start1":   {Kind: sallyport.EntryStart, Start: start(first)},
		"start2":   {Kind: sallyport.EntryStart, Start: start(second)},
		"ran":      {Kind: sallyport.EntryOutcome, Outcome: &sallyport.Outcome{State: sallyport.StateSucceeded}},
		"never":    {Kind: sallyport.EntryOutcome, Outcome: &sallyport.Outcome{State: sallyport.StateDenied}},
	}
	for name, e := range all {
		e.CallID, e.At = g.Call.ID, noon
		all[name] = e
	}
	return all
}

// legal says, from the names of a call's entries so far, which may come next.
// It is the contract in other words than Apply's.
func legal(so []string, next string) bool {
	had := func(name string) bool { return strings.Contains(" "+strings.Join(so, " ")+" ", " "+name+" ") }
	latest, agreed := "", false
	for _, s := range so {
		switch {
		case strings.HasPrefix(s, "ballot"):
			latest, agreed = s, false
		case strings.HasPrefix(s, "vote"):
			agreed = true
		}
	}
	started := had("start") || had("start1") || had("start2")
	switch ended := had("ran") || had("never"); {
	case next == "received":
		return len(so) == 0
	case len(so) == 0:
		return false
	case next == "refusal":
		return true
	case ended || next == "erasure":
		return ended && next == "erasure"
	}
	switch next {
	case "start":
		return !started && latest == "" && !had("stop")
	case "start1":
		return !started && latest == "ballot" && agreed && !had("no") && !had("stop")
	case "start2":
		return !started && latest == "ballot2" && agreed && !had("stop")
	case "ran", "placed":
		return started
	case "never":
		return !started
	case "ballot", "ballot2":
		return !started && !had("no") && !had("stop")
	case "decision":
		return !started && latest == ""
	case "plan":
		return !started && latest == "" && !had("plan") && !had("decision")
	case "vote", "no":
		return !started && latest == "ballot"
	case "vote2":
		return !started && latest == "ballot2"
	default:
		return true
	}
}

// TestRecordOfEveryOrder applies every sequence of entries up to a length.
func TestRecordOfEveryOrder(t *testing.T) {
	all := entries()
	var walk func(r sallyport.Record, so []string)
	sequences := 0
	walk = func(r sallyport.Record, so []string) {
		sequences++
		if len(so) > 0 {
			checkRecord(t, r, so)
		}
		if len(so) == 6 || t.Failed() {
			return
		}
		for name, e := range all {
			next, err := r.Apply(e)
			if want := legal(so, name); (err == nil) != want {
				t.Errorf("after %v, %s: %v", so, name, err)
			}
			if err != nil {
				if sallyport.KindOf(err) != sallyport.Conflict {
					t.Errorf("after %v, %s is refused as %s", so, name, sallyport.KindOf(err))
				}
				if next.Entries != r.Entries || next.State != r.State {
					t.Errorf("after %v, a refused %s changed the record", so, name)
				}
				continue
			}
			walk(next, append(slices.Clip(so), name))
		}
	}
	walk(sallyport.Record{}, nil)
	if sequences < 30_000 {
		t.Errorf("only %d sequences", sequences)
	}
}

// checkRecord holds a record against the names of its entries.
func checkRecord(t *testing.T, r sallyport.Record, so []string) {
	t.Helper()
	state, votes, refusals, ended := sallyport.StatePending, 0, 0, false
	for _, name := range so {
		switch name {
		case "ballot", "ballot2":
			state, votes = sallyport.StateAwaitingApproval, 0
		case "vote", "vote2", "no":
			votes++
		case "refusal":
			refusals++
		case "start", "start1", "start2":
			state = sallyport.StateRunning
		case "ran":
			state, ended = sallyport.StateSucceeded, true
		case "never":
			state, ended = sallyport.StateDenied, true
		}
	}
	if r.Entries != len(so) || r.State != state || len(r.Votes) != votes || len(r.Refusals) != refusals || (r.Outcome != nil) != ended {
		t.Errorf("%v: %d entries, %s, %d votes, %d refusals, ended %t", so, r.Entries, r.State, len(r.Votes), len(r.Refusals), r.Outcome != nil)
	}
	for _, v := range r.Votes {
		if v.Ballot != r.Ballot.Digest() {
			t.Errorf("%v: a vote is for another ballot", so)
		}
	}
	if r.State == sallyport.StateSucceeded && r.Start == nil {
		t.Errorf("%v: it ran without a start", so)
	}
}

// TestVoteThatDoesNotCount: a start is not recorded beside an approving vote that
// does not count. Its leaf would not name that person, and no verifier could tell
// why.
func TestVoteThatDoesNotCount(t *testing.T) {
	all := entries()
	stray, uncounted := all["vote"], *all["vote"].Vote
	uncounted.Person, uncounted.Groups = "carol", []string{"elsewhere"}
	stray.Vote = &uncounted
	r := apply(t, sallyport.Record{}, all["received"], all["ballot"], all["vote"])
	if _, err := r.Apply(all["start1"]); err != nil {
		t.Errorf("a start by the one vote: %v", err)
	}
	if _, err := apply(t, r, stray).Apply(all["start1"]); sallyport.CodeOf(err) != sallyport.CodeNotApproved {
		t.Errorf("a start beside a vote that does not count: %v", err)
	}
}

// TestRecordsShareNothing: two records that grew out of one don't write into
// each other's votes.
func TestRecordsShareNothing(t *testing.T) {
	all := entries()
	base := apply(t, sallyport.Record{}, all["received"], all["ballot"], all["vote"], all["vote"], all["vote"])
	other, second := all["vote"], *all["vote"].Vote
	second.Person = "carol"
	other.Vote = &second
	left := apply(t, base, all["vote"])
	right := apply(t, base, other)
	if len(base.Votes) != 3 || left.Votes[3].Person != "bob" || right.Votes[3].Person != "carol" {
		t.Errorf("%d votes, then %s and %s", len(base.Votes), left.Votes[3].Person, right.Votes[3].Person)
	}
}

func apply(t *testing.T, r sallyport.Record, list ...sallyport.Entry) sallyport.Record {
	t.Helper()
	for _, e := range list {
		var err error
		if r, err = r.Apply(e); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func TestRecordKeepsWhatItWasGiven(t *testing.T) {
	all := entries()
	start := all["start1"]
	start.At = noon.Add(time.Minute)
	got := apply(t, sallyport.Record{}, all["received"], all["intent"], all["decision"], all["ballot"], all["vote"], start, all["ran"])
	g := approved()
	want := sallyport.Record{
		Entries: 7, State: sallyport.StateSucceeded, Call: g.Call, Signed: "signed", Intent: &g.Intent, Decision: &g.Decision, Plan: g.Plan,
		Ballot: all["ballot"].Ballot, Votes: []sallyport.Vote{*all["vote"].Vote}, Start: start.Start, StartedAt: start.At, Outcome: all["ran"].Outcome, UpdatedAt: noon,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	withoutPlan := all["decision"]
	withoutPlan.Plan = nil
	if r := apply(t, sallyport.Record{}, all["received"], all["decision"], withoutPlan); r.Plan == nil {
		t.Error("a later decision without a plan forgets the plan")
	}
}

// TestEntryCheck takes from each entry what its kind names.
func TestEntryCheck(t *testing.T) {
	for name, e := range entries() {
		if err := e.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for what, spoil := range map[string]func(*sallyport.Entry){
			"nothing recorded": func(e *sallyport.Entry) { *e = sallyport.Entry{CallID: e.CallID, Kind: e.Kind, At: e.At} },
			"no time":          func(e *sallyport.Entry) { e.At = time.Time{} },
			"no call":          func(e *sallyport.Entry) { e.CallID = "" },
			"odd kind":         func(e *sallyport.Entry) { e.Kind = "rumour" },
		} {
			bad := e
			spoil(&bad)
			if err := bad.Check(); sallyport.KindOf(err) != sallyport.Invalid {
				t.Errorf("%s with %s: %v", name, what, err)
			}
			if _, err := (sallyport.Record{}).Apply(bad); err == nil {
				t.Errorf("%s with %s is applied", name, what)
			}
		}
	}
	for name, tt := range map[string]struct {
		reason string
		spoil  func(sallyport.Entry) sallyport.Entry
		of     string
	}{
		"OtherCall":   {"a call's entry holds that call", func(e sallyport.Entry) sallyport.Entry { c := *e.Call; c.ID = "other"; e.Call = &c; return e }, "received"},
		"Unsigned":    {"the API did not sign it", func(e sallyport.Entry) sallyport.Entry { e.Signed = ""; return e }, "received"},
		"OtherIntent": {"nor another call's intent", func(e sallyport.Entry) sallyport.Entry { i := *e.Intent; i.CallID = "other"; e.Intent = &i; return e }, "intent"},
		"OtherBallot": {"nor its ballot", func(e sallyport.Entry) sallyport.Entry { b := *e.Ballot; b.CallID = "other"; e.Ballot = &b; return e }, "ballot"},
		"SecondStart": {"a key would make a second start", func(e sallyport.Entry) sallyport.Entry { e.Key = "2"; return e }, "start"},
		"SecondEnd":   {"a key would make a second outcome", func(e sallyport.Entry) sallyport.Entry { e.Key = "2"; return e }, "ran"},
		"UnfinishedEnd": {"an end is final", func(e sallyport.Entry) sallyport.Entry {
			e.Outcome = &sallyport.Outcome{State: sallyport.StateRunning}
			return e
		}, "ran"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := tt.spoil(entries()[tt.of]).Check(); sallyport.KindOf(err) != sallyport.Invalid {
				t.Errorf("%v: %s", err, tt.reason)
			}
		})
	}
}

// TestEntriesSurviveJSON: what is stored and read back adds up to the same.
func TestEntriesSurviveJSON(t *testing.T) {
	for name, e := range entries() {
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var back sallyport.Entry
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(e, back); d != "" {
			t.Errorf("%s (-stored +read)\n%s", name, d)
		}
		if e.Ballot != nil && e.Ballot.Digest() != back.Ballot.Digest() {
			t.Error(fmt.Errorf("%s has another digest when it is read", name))
		}
	}
}
