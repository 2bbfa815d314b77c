package proof

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/strict"
)

// TestGoldenLeaves holds the formats of leaves fast: a log that exists must
// verify with every later version. With GOLDEN=write in the environment it
// writes the files instead.
func TestGoldenLeaves(t *testing.T) {
	for version, file := range map[string]string{
		firstLeafVersion:  "testdata/leaves_v1.jsonl",
		secondLeafVersion: "testdata/leaves_v2.jsonl",
		leafVersion:       "testdata/leaves.jsonl",
	} {
		t.Run(file, func(t *testing.T) { testGoldenLeaves(t, version, file) })
	}
}

func testGoldenLeaves(t *testing.T, version, goldenLeaves string) {
	var got bytes.Buffer
	entries := sallyporttest.Approved(1)
	if version != firstLeafVersion {
		entries = append(entries, otherSteps(entries[0].CallID)...)
	}
	for n, e := range entries {
		if version != leafVersion { // entries of then did not say it
			e.Known = nil
		}
		leaf, err := LeafAs(version, e, n, bytes.Repeat([]byte{7}, SaltSize))
		if err != nil {
			t.Fatal(err)
		}
		got.Write(append(leaf, '\n'))
	}
	if os.Getenv("GOLDEN") == "write" {
		if err := os.WriteFile(goldenLeaves, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(goldenLeaves)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); d != "" {
		t.Errorf("the format of leaves has changed (-want +got)\n%s", d)
	}
}

// TestAgentsWordsAreSealed: a leaf shows of what an agent names only words that
// operators wrote, and commits to the others.
func TestAgentsWordsAreSealed(t *testing.T) {
	story := sallyporttest.Approved(1)
	for name, tt := range map[string]struct {
		known *sallyport.Known
		shown string
	}{
		"Unsaid": {nil, "///"}, "None": {&sallyport.Known{}, "///"},
		"All":      {&sallyport.Known{Tool: true, Action: true, Resource: true, Namespace: true}, "gitops_scale_deployment/scale/deployment/production"},
		"AllButIt": {&sallyport.Known{Tool: true, Action: true, Resource: true}, "gitops_scale_deployment/scale/deployment/"},
	} {
		t.Run(name, func(t *testing.T) {
			for n, e := range story[:2] {
				e.Known = tt.known
				if n == 0 && e.Known != nil { // a receipt names the tool alone
					e.Known = &sallyport.Known{Tool: tt.known.Tool}
				}
				if err := e.Check(); err != nil {
					t.Fatal(err)
				}
				b, err := LeafOf(e, n, make([]byte, SaltSize))
				if err != nil {
					t.Fatal(err)
				}
				l, err := ParseLeaf(b)
				if err != nil {
					t.Fatal(err)
				}
				shown := tt.shown
				if n == 0 {
					tool, _, _ := strings.Cut(shown, "/")
					shown = tool + "///"
				}
				if got := l.Tool + "/" + l.Action + "/" + l.Resource + "/" + l.Namespace; got != shown {
					t.Errorf("the leaf of the %s shows %s, want %s", e.Kind, got, shown)
				}
				if n == 1 && (l.Namespace == "") == (l.Commitments["namespace"] == "") {
					t.Errorf("the namespace is shown or committed to: %s", b)
				}
			}
		})
	}
	e := story[5]
	e.Known = &sallyport.Known{}
	if sallyport.CodeOf(e.Check()) != "bad_entry" {
		t.Errorf("a %s says what is known", e.Kind)
	}
}

// TestToolsCodesAreSealed: a tool makes the code of its failure, and could put
// contents into it. The leaf shows the gateway's own codes alone.
func TestToolsCodesAreSealed(t *testing.T) {
	for code, shown := range map[string]string{"drift": "drift", "patient Jane Doe, HIV positive": "", "jane_doe": ""} {
		out := sallyport.Outcome{State: sallyport.StateFailed, Error: &sallyport.Failure{Code: code}}
		e := out.Entry(sallyporttest.Approved(1)[0].CallID, time.Unix(1, 0))
		if err := e.Check(); err != nil {
			t.Fatal(err)
		}
		b, err := LeafOf(e, 3, make([]byte, SaltSize))
		if err != nil {
			t.Fatal(err)
		}
		l, err := ParseLeaf(b)
		if err != nil {
			t.Fatal(err)
		}
		if l.Code != shown || (l.Code == "") == (l.Commitments["code"] == "") {
			t.Errorf("of the code %q the leaf shows %q: %s", code, l.Code, b)
		}
	}
}

// otherSteps are an entry of each kind that an approved call has none of, and a
// decision, a start and an outcome that say all they can.
func otherSteps(callID string) []sallyport.Entry {
	at := time.Date(2026, 11, 21, 22, 1, 0, 0, time.UTC)
	digest := sallyport.NewDigest("of", []byte("something"))
	entries := []sallyport.Entry{
		{Kind: sallyport.EntryDecision, Key: "planned", Decision: &sallyport.Decision{Effect: sallyport.Allow, Revision: "rev-2", Input: digest}},
		{Kind: sallyport.EntryPlan, Plan: &sallyport.Plan{Summary: "replicas 3 → 5"}},
		{Kind: sallyport.EntryDrift, Key: "drift", Drift: &sallyport.Drift{Message: "replicas: 3 → 4"}},
		{Kind: sallyport.EntryStart, Start: &sallyport.Start{Intent: digest, Plan: digest, Runner: "kube", Image: "tool@sha256:1", Place: "kube/agents/call"}},
		{Kind: sallyport.EntryPlaced, Key: "uid", Placed: &sallyport.Placement{Place: "kube/agents/call", UID: "uid", Image: "tool@sha256:1"}},
		{Kind: sallyport.EntryStop, Key: "stop", Stop: &sallyport.Stop{By: "olga", Freeze: callID, Reason: "it loops"}},
		{Kind: sallyport.EntryOutcome, Known: &sallyport.Known{Code: true}, Outcome: &sallyport.Outcome{State: sallyport.StateAmbiguous, Error: &sallyport.Failure{Code: "interrupted", Message: "alice must look"}}},
		{Kind: sallyport.EntryErasure, Erasure: &sallyport.Erasure{By: "olga", Reason: "bob asked for it"}},
		{Kind: sallyport.EntryFreeze, Freeze: &sallyport.Freeze{ID: callID, Agent: "deploy-bot", Tool: "http_probe", Namespace: "staging", By: "olga", Reason: "it loops", At: at}},
		{Kind: sallyport.EntryLift, Lift: &sallyport.Lift{By: "olga", At: at}},
	}
	for i := range entries {
		entries[i].CallID, entries[i].At = callID, at
	}
	return entries
}

// TestLeavesShowNothingPersonal looks for what the log must not hold.
func TestLeavesShowNothingPersonal(t *testing.T) {
	var leaves strings.Builder
	story := sallyporttest.Approved(1)
	for n, e := range append(story, otherSteps(story[0].CallID)...) {
		leaf, err := LeafOf(e, n, make([]byte, SaltSize))
		if err != nil {
			t.Fatal(err)
		}
		leaves.Write(leaf)
	}
	for what, text := range map[string]string{
		"an argument's name": "replicas", "a claim": "latency", "a session": "s-42", "the object's name": `"api"`,
		"a person": "bob", "an owner": "alice", "an account's issuer": "https://", "a voter's reason": "looks right",
		"a policy's message": "need approval", "a plan": "→", "a token": "header.payload", "a result": "commit",
		"who stopped it": "olga", "why": "loops", "a difference": "replicas:", "a failure's message": "must look",
		"a nonce": "nonce", "an unsalted digest of the intent": string(intentOf(t).Digest()),
	} {
		if strings.Contains(strings.ReplaceAll(leaves.String(), `"commitments"`, ""), text) {
			t.Errorf("a leaf shows %s: %q", what, text)
		}
	}
}

func intentOf(t *testing.T) sallyport.Intent {
	t.Helper()
	return *sallyporttest.Approved(1)[1].Intent
}

// TestLeavesAreSalted shows that equal values can't be told from equal
// commitments across calls, and can within one.
func TestLeavesAreSalted(t *testing.T) {
	e := sallyporttest.Approved(1)
	commitment := func(e sallyport.Entry, number int, salt byte) string {
		b, err := LeafOf(e, number, bytes.Repeat([]byte{salt}, SaltSize))
		if err != nil {
			t.Fatal(err)
		}
		var l Leaf
		if err := strict.Decode(b, &l); err != nil {
			t.Fatal(err)
		}
		return l.Commitments["arguments"]
	}
	if commitment(e[0], 0, 1) == commitment(e[0], 0, 2) {
		t.Error("two salts gave one commitment")
	}
	if commitment(e[0], 0, 1) != commitment(e[1], 1, 1) {
		t.Error("the intent's arguments must be seen to be the call's")
	}
}

// TestLeavesStayShort gives leaves more than they can show.
func TestLeavesStayShort(t *testing.T) {
	long := strings.Repeat("x", 60_000)
	e := sallyporttest.Approved(1)
	e[0].Call.Tool = "Robert'); DROP TABLE tools"
	e[1].Intent.Namespace = long
	e[2].Decision.Revision = long
	for n, step := range e[:3] {
		b, err := LeafOf(step, n, make([]byte, SaltSize))
		if err != nil || len(b) > 4096 || bytes.Contains(b, []byte("xxx")) || bytes.Contains(b, []byte("DROP")) {
			t.Errorf("leaf of the %s has %d bytes, %v", step.Kind, len(b), err)
		}
	}
	for range 5000 {
		e[2].Decision.Reasons = append(e[2].Decision.Reasons, sallyport.Reason{Code: "one_of_very_many"})
	}
	if _, err := LeafOf(e[2], 2, make([]byte, SaltSize)); sallyport.KindOf(err) != sallyport.Invalid {
		t.Errorf("a leaf of more than %d bytes: %v", MaxLeaf, err)
	}
	e[3].Key = strings.Repeat("k", maxKey+1)
	if _, _, err := Normalise(e[3]); sallyport.KindOf(err) != sallyport.Invalid {
		t.Errorf("a key of more than %d bytes: %v", maxKey, err)
	}
}

// FuzzLeaf checks that whatever becomes an entry comes back from the store as
// it was, and makes the same canonical leaf every time.
func FuzzLeaf(f *testing.F) {
	for _, e := range sallyporttest.Approved(1) {
		b, err := json.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, 3, "text \xff\u2028<>&")
	}
	end := sallyporttest.Approved(1)[7]
	for _, result := range []string{`1e999`, `{"a":1,"a":2}`, `"\ud800"`, `[12345678901234567890,-0,1.0]`, "{\"\xff\":null}", `{}`} {
		end.Outcome.Result = json.RawMessage(result)
		b, err := json.Marshal(end)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, 0, "")
	}
	f.Fuzz(func(t *testing.T, data []byte, number int, text string) {
		var e sallyport.Entry
		if json.Unmarshal(data, &e) != nil {
			return
		}
		e.Key += text
		if e.Outcome != nil {
			e.Outcome.Error = &sallyport.Failure{Code: text, Message: text}
		}
		settled, content, err := Normalise(e)
		if err != nil {
			return
		}
		salt := make([]byte, SaltSize)
		leaf, err := LeafOf(settled, number, salt)
		if err != nil {
			if sallyport.KindOf(err) != sallyport.Invalid {
				t.Fatalf("no leaf of %s: %v", content, err)
			}
			return
		}
		checkLeafForm(t, leaf)
		stored, err := DecodeEntry(content)
		if err != nil {
			t.Fatal(err)
		}
		again, err := LeafOf(stored, number, salt)
		if err != nil || !bytes.Equal(leaf, again) {
			t.Fatalf("from the store comes another leaf, %v:\n%s\n%s", err, leaf, again)
		}
		if b, err := Encode(stored); err != nil || !bytes.Equal(b, content) {
			t.Fatalf("from the store comes another entry, %v:\n%s\n%s", err, content, b)
		}
		if d := cmp.Diff(settled, stored, cmp.Comparer(time.Time.Equal)); d != "" {
			t.Fatalf("the entry changes in the store (-want +got)\n%s", d)
		}
	})
}

func checkLeafForm(t *testing.T, leaf []byte) {
	t.Helper()
	if len(leaf) > MaxLeaf {
		t.Fatalf("the leaf has %d bytes", len(leaf))
	}
	canonical, err := strict.JSON(leaf, strict.Limits{Depth: 3, Tokens: MaxLeaf})
	if err != nil || !bytes.Equal(canonical, leaf) {
		t.Fatalf("the leaf is not canonical, %v: %s", err, leaf)
	}
}
