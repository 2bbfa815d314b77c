package ledger_test

import (
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
	"github.com/sallyport/sallyport/sallyporttest"
)

// signed is a story whose call has a JWS, as the API makes it.
func signed(t *testing.T, story []sallyport.Entry) []sallyport.Entry {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	story[0].Signed = sallyport.SignedCall(encode([]byte(`{"alg":"EdDSA"}`)) + "." + encode([]byte(mustJSON(t, story[0].Call))) + "." + encode([]byte(strings.Repeat("s", 64))))
	return story
}

// stories are calls that are packed in one way and another, or not at all.
func stories(t *testing.T) map[string][]sallyport.Entry {
	t.Helper()
	other := signed(t, large(5))
	other[1].Intent.Arguments = json.RawMessage(`{"manifest":"` + strings.Repeat("of another call ", 10) + `"}`)
	html := signed(t, sallyporttest.Approved(6))
	html[0].Call.Stated.Reason = `<b>&amp;</b> "quoted" ` + string(html[0].Signed) + string(html[0].Call.Arguments)
	return map[string][]sallyport.Entry{
		"Large":          signed(t, large(1)),
		"Small":          signed(t, sallyporttest.Approved(2)),
		"NotAJWS":        large(3),
		"NotBase64":      func() []sallyport.Entry { s := large(4); s[0].Signed = "a.~.b"; return s }(),
		"OtherArguments": other[:2],
		"QuotesItself":   html,
	}
}

// contents are a call's, as they were given.
func contents(t *testing.T, story []sallyport.Entry) (all []string) {
	t.Helper()
	for _, e := range story {
		_, b, err := proof.Normalise(e)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(b))
	}
	return all
}

// TestPacked: what is read from the store is what was given, byte by byte, by
// whatever reads it.
func TestPacked(t *testing.T) {
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		p := newPlace(t)
		l := p.open(t)
		for name, story := range stories(t) {
			want := contents(t, story)
			mustRecord(t, l, story...)
			for _, e := range story { // what is there is answered with what is there
				r, err := l.Record(t.Context(), e)
				if err != nil || !r.Repeated || mustJSON(t, r.Entry) != want[r.Number] {
					t.Errorf("%s: the %s again: repeated %t, %v", name, e.Kind, r.Repeated, err)
				}
			}
			var exported []string
			if err := l.Export(t.Context(), 0, true, func(x ledger.ExportedLeaf) error {
				if strings.Contains(string(x.Leaf), story[0].CallID) {
					exported = append(exported, string(x.Entry))
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			proven, err := l.Archive.Prove(t.Context(), story[0].CallID, true)
			if err != nil {
				t.Fatal(err)
			}
			for i, w := range want {
				if exported[i] != w || proven.Leaves[i].Entry != w {
					t.Errorf("%s: the %s is exported or proven otherwise", name, story[i].Kind)
				}
			}
			var fold sallyport.Record
			for _, w := range want {
				e, err := proof.DecodeEntry([]byte(w))
				if err != nil {
					t.Fatal(err)
				}
				if fold, err = fold.Apply(e); err != nil {
					t.Fatal(err)
				}
			}
			if r, err := l.Call(t.Context(), story[0].CallID); err != nil || mustJSON(t, r) != mustJSON(t, fold) {
				t.Errorf("%s: the call is read otherwise: %v", name, err)
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
		p.mustVerify(t)
		p.erase(t, signed(t, large(1))[0].CallID)
		p.mustVerify(t)
	})
}

// TestBytesOfACall: the ledger keeps what an agent sends once, and little more.
func TestBytesOfACall(t *testing.T) {
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		p := newPlace(t)
		l := p.open(t)
		for name, story := range map[string][]sallyport.Entry{"large": signed(t, large(1)), "small": signed(t, sallyporttest.Approved(2))} {
			story[7].Outcome.Result = json.RawMessage(`{}`)
			mustRecord(t, l, story...)
			sent := len(story[0].Call.Arguments)
			kept := p.kept(t, story[0].CallID)
			given := len(strings.Join(contents(t, story), ""))
			t.Logf("a %s call of %d bytes of arguments: %d bytes in the ledger, of entries with %d", name, sent, kept, given)
			if kept > sent+12_000 {
				t.Errorf("%s: the ledger keeps %d bytes of %d that were sent", name, kept, sent)
			}
		}
	})
}

// kept is how many bytes the rows of a call have.
func (p place) kept(t *testing.T, id string) (n int) {
	t.Helper()
	text := fmt.Sprintf(`SELECT CAST((SELECT sum(length(l.leaf) + length(c.entry)) FROM leaves l JOIN contents c ON c.idx = l.idx WHERE l.call_id = '%s')
		+ (SELECT length(record) FROM calls WHERE call_id = '%s') AS bigint)`, id, id)
	db := connectTo(t, p)
	if err := db.QueryRowContext(t.Context(), text).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestTamperedPacked: whatever is changed in what was packed is found.
func TestTamperedPacked(t *testing.T) {
	p := newPlace(t)
	l := p.open(t)
	story := signed(t, sallyporttest.Approved(1))
	arguments := json.RawMessage(`{"environment":"production","name":"` + strings.Repeat("api", 20) + `","replicas":5}`)
	story[0].Call.Arguments, story[1].Intent.Arguments = arguments, arguments
	story = signed(t, story)
	mustRecord(t, l, story[:2]...)
	mustClose(t, l)
	p.mustVerify(t)
	for _, row := range p.edit(t).rows("SELECT idx, entry FROM contents") {
		entry, _ := row[1].([]byte)
		if entry[0] == '{' {
			t.Errorf("content %v is not packed", row[0])
		}
		for i := 0; i < len(entry); i += max(1, len(entry)/15) {
			changed := append([]byte(nil), entry...)
			changed[i] ^= 1
			e := p.copyTo(t, t.TempDir())
			e.tamper(t, "UPDATE contents SET entry = $1 WHERE idx = $2", changed, row[0])
			mustBeFound(t, e, fmt.Sprintf("byte %d of content %v", i, row[0]))
		}
	}
	// The contents as they are given, as earlier versions kept them, are no change.
	e := p.copyTo(t, t.TempDir())
	for i, content := range contents(t, story[:2]) {
		e.tamper(t, "UPDATE contents SET entry = $1 WHERE idx = $2", []byte(content), i)
		e.mustVerify(t)
	}
}

// connectTo opens a session with the database.
func connectTo(t *testing.T, p place) *sql.DB {
	t.Helper()
	if p.path == "" {
		return connect(t, p.owner)
	}
	db, err := sql.Open("sqlite", p.path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}
