package proof

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/sallyporttest"
)

// everyKind are the steps of a call that ended and was erased, and of a freeze.
func everyKind() (calls [][]sallyport.Entry) {
	whole := sallyporttest.Approved(1)
	id, at := whole[0].CallID, whole[0].At
	beside := func(e sallyport.Entry) sallyport.Entry {
		e.CallID, e.At = id, at
		return e
	}
	with := func(at int, e sallyport.Entry) []sallyport.Entry {
		return append(append([]sallyport.Entry{}, whole[:at]...), beside(e))
	}
	freeze := sallyport.Entry{CallID: id, Kind: sallyport.EntryFreeze, At: at, Freeze: &sallyport.Freeze{ID: id, Tool: "http_probe", By: "olga", At: at}}
	return append(prefixes(whole),
		[]sallyport.Entry{whole[0], whole[1], beside(sallyport.Entry{Kind: sallyport.EntryPlan, Plan: whole[2].Plan})},
		with(7, sallyport.Entry{Kind: sallyport.EntryPlaced, Placed: &sallyport.Placement{Place: "execution/call", UID: "u"}}),
		with(2, sallyport.Entry{Kind: sallyport.EntryDrift, Key: "d", Drift: &sallyport.Drift{Message: "replicas are 4"}}),
		with(2, sallyport.Entry{Kind: sallyport.EntryStop, Key: "s", Stop: &sallyport.Stop{By: "olga"}}),
		with(8, sallyport.Entry{Kind: sallyport.EntryErasure, Erasure: &sallyport.Erasure{By: "olga", Reason: "asked for"}}),
		[]sallyport.Entry{freeze}, []sallyport.Entry{freeze, beside(sallyport.Entry{Kind: sallyport.EntryLift, Lift: &sallyport.Lift{By: "olga", At: at}})},
	)
}

func prefixes(all []sallyport.Entry) (some [][]sallyport.Entry) {
	for n := range all {
		some = append(some, all[:n+1])
	}
	return some
}

// verifyAll verifies a proof with everything that can be verified, and fails the
// test where that panics.
func verifyAll(t *testing.T, f File, verifier note.Verifier) (err error) {
	t.Helper()
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("the verifier panics: %v", p)
		}
	}()
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Verify(b, Options{
		Verifiers: note.VerifierList(verifier),
		SignedVote: func(_ sallyport.Vote, b sallyport.Ballot) error {
			_ = b.Digest()
			return nil
		},
		SignedCall: func(sallyport.SignedCall) (sallyport.Call, error) { return *sallyporttest.Approved(1)[0].Call, nil },
		Attestation: func(string) (sallyport.Attestation, error) {
			v := *sallyporttest.Approved(1)[5].Vote
			return sallyport.Attestation{CallID: sallyporttest.Approved(1)[0].CallID, Account: v.Account, Paper: sallyport.BallotPaper{Ballot: v.Ballot, Verdict: v.Verdict}}, nil
		},
	})
	return err
}

// TestMoreThanTheKindNames gives each kind of entry each member that its kind does
// not name: such an entry is refused, and the verifier does not panic.
func TestMoreThanTheKindNames(t *testing.T) {
	donors := map[string]reflect.Value{}
	for _, story := range everyKind() {
		for _, e := range story {
			v := reflect.ValueOf(e)
			for i := range v.NumField() {
				if name := v.Type().Field(i).Name; !v.Field(i).IsZero() {
					donors[name] = v.Field(i)
				}
			}
		}
	}
	for _, story := range everyKind() {
		last := story[len(story)-1]
		l := newLog(t).add(story...)
		if err := verifyAll(t, l.file(last.CallID), l.verifier); err != nil && last.Kind != sallyport.EntryErasure {
			t.Errorf("a genuine %s was refused: %v", last.Kind, err)
		}
		for name, value := range donors {
			if name == "CallID" || name == "Kind" || name == "Key" || name == "At" || last.Kind == sallyport.EntryDecision && name == "Plan" {
				continue
			}
			if own := reflect.ValueOf(last).FieldByName(name); !own.IsZero() {
				continue
			}
			for what, given := range map[string]reflect.Value{"": value, "empty ": reflect.New(value.Type()).Elem()} {
				if value.Kind() == reflect.Pointer && what != "" {
					given = reflect.New(value.Type().Elem())
				}
				if given.IsZero() {
					continue
				}
				more := last
				reflect.ValueOf(&more).Elem().FieldByName(name).Set(given)
				if more.Check() == nil {
					t.Errorf("a %s with a %s%s passes its check", last.Kind, what, name)
				}
				l := newLog(t).add(story[:len(story)-1]...).add(more)
				if verifyAll(t, l.file(last.CallID), l.verifier) == nil {
					t.Errorf("a %s with a %s%s was taken", last.Kind, what, name)
				}
			}
		}
	}
}

// TestEntryIsTheBytes: what a proof shows beside a leaf is what the leaf commits
// to, byte for byte. Another reader of the file could take other values from it.
func TestEntryIsTheBytes(t *testing.T) {
	genuine, verifier := proven(t)
	for name, forge := range map[string]func(string) string{
		"Space":     func(s string) string { return s + " " },
		"Extra":     func(s string) string { return strings.TrimSuffix(s, "}") + `,"approved_by":"alice"}` },
		"Twice":     func(s string) string { return `{"kind":"vote",` + strings.TrimPrefix(s, "{") },
		"OtherCase": func(s string) string { return strings.Replace(s, `"outcome":`, `"Outcome":`, 1) },
		"Escaped":   func(s string) string { return strings.Replace(s, `"kind":"outcome"`, `"kind":"\u006futcome"`, 1) },
	} {
		forged := genuine
		forged.Leaves = append([]Included{}, genuine.Leaves...)
		last := &forged.Leaves[len(forged.Leaves)-1]
		if last.Entry = forge(last.Entry); last.Entry == genuine.Leaves[len(genuine.Leaves)-1].Entry {
			t.Fatalf("%s changes nothing", name)
		}
		if verifyAll(t, forged, verifier) == nil {
			t.Errorf("%s: it was taken: %s", name, last.Entry)
		}
	}
}

// TestLeafTexts: what a leaf shows may look like a commitment and be none.
func TestLeafTexts(t *testing.T) {
	story := sallyporttest.Approved(1)[:2]
	story[1].Intent.Namespace, story[1].Intent.Action = "hmac-sha256:", "hmac-sha256:short"
	l := newLog(t).add(story...)
	if err := verifyAll(t, l.file(story[0].CallID), l.verifier); err != nil {
		t.Error(err)
	}
}
