package sallyport_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/sallyport/sallyport"
)

// secretsOf are those of a call with redacted texts.
func secretsOf(t testing.TB, values ...string) sallyport.Secrets {
	t.Helper()
	b, err := json.Marshal(map[string]any{"token": values})
	if err != nil {
		t.Fatal(err)
	}
	return sallyport.Call{Arguments: b, Redact: []string{"/token"}, Seal: []byte("seal")}.Secrets()
}

func TestScrub(t *testing.T) {
	const value = "alpha \"line\" <&> of it's\nomega/line+of it ÿ?>😀"
	quoted := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	inside := quoted(map[string]string{"auth": "token " + value})
	for reason, tt := range map[string]struct{ text, want string }{
		"as it is":                  {"<" + value + ">", "<[redacted]>"},
		"twice":                     {value + value, "[redacted]"},
		"in JSON":                   {"say " + quoted(value), `say "[redacted]"`},
		"in JSON, with slashes":     {strings.ReplaceAll(quoted(value), "/", `\/`), `"[redacted]"`},
		"in JSON, as Python writes": {"'alpha \\\"line\\\" <&> of it's\\nomega/line+of it \\u00ff?>\\ud83d\\ude00'", "'[redacted]'"},
		"in JSON, in upper case":    {`'alpha \"line\" \u003C\u0026\u003E of it's\nomega\/line+of it \u00FF?\u003E\uD83D\uDE00'`, "'[redacted]'"},
		"in JSON twice, in upper":   {`x "\"alpha \\\"line\\\" \\u003C\\u0026\\u003E of it's\\nomega/line+of it ÿ?\\u003E😀\""`, `x "\"[redacted]\""`},
		"JSON as a text":            {inside, `{"auth":"token [redacted]"}`},
		"JSON in JSON in text":      {quoted([]string{inside}), `["{\"auth\":\"token [redacted]\"}"]`},
		"JSON in JSON cut out":      {"x " + quoted(quoted(value)), `x "\"[redacted]\""`},
		"JSON with odd escapes":     {`{"a": "\u0061lpha \"line\" <&> of it's\nomega/line+of it ÿ?>😀"}`, `{"a":"[redacted]"}`},
		"in a name twice":           {`{"a": "omega/line+of it ÿ?>\ud83d\ude00", "a": 1}`, `{"a":1}`},
		"as Go quotes":              {strconv.Quote(value), `"[redacted]"`},
		"as Go quotes in ASCII":     {fmt.Sprintf("%+q", value), `"[redacted]"`},
		"in base64":                 {base64.StdEncoding.EncodeToString([]byte(value)), "[redacted]"},
		"in base64 for URLs":        {base64.RawURLEncoding.EncodeToString([]byte(value)), "[redacted]"},
		"in a query":                {"?q=" + url.QueryEscape(value) + "&", "?q=[redacted]&"},
		"in a query, in lower case": {strings.ToLower(url.QueryEscape("omega/line+of it ÿ?>😀")), "[redacted]"},
		"in a path":                 {"/" + url.PathEscape(value) + "/", "/[redacted]/"},
		"in YAML":                   {"'" + strings.ReplaceAll(value, "'", "''") + "'", "'[redacted]'"},
		"in a JSON Pointer":         {"/data/omega~1line+of it ÿ?>😀", "/data/[redacted]"},
		"line by line":              {"+  alpha \"line\" <&> of it's\n+  omega/line+of it ÿ?>😀\n", "+  [redacted]\n+  [redacted]\n"},
		"cut":                       {"the token is alpha \"line\" <&…", "the token is [redacted]…"},
		"a beginning, not cut":      {"alpha \"li", "alpha \"li"},
		"in HTML":                   {"<b>" + html.EscapeString(value) + "</b>", "<b>[redacted]</b>"},
	} {
		got := secretsOf(t, value).Scrub(tt.text)
		if got != tt.want {
			t.Errorf("%s: %s, want %s", reason, got, tt.want)
		}
		if again := secretsOf(t, value).Scrub(got); again != got {
			t.Errorf("%s: scrubbed again it is %s", reason, again)
		}
	}
}

// TestScrubWithin: base64 of a longer text, such as of a user and a password,
// shows the part that the secret makes.
func TestScrubWithin(t *testing.T) {
	for _, user := range []string{"bob:", "carol:", "alice@:"} {
		header := base64.StdEncoding.EncodeToString([]byte(user + "correct horse" + " and more"))
		got := secretsOf(t, "correct horse").Scrub(header)
		for i := range len(user) + 4 {
			if b, err := base64.StdEncoding.DecodeString(got[:len(got)/4*4]); err == nil && strings.Contains(string(b), "orrect hors"[:i]) && i > 3 {
				t.Errorf("of %s there is left %s", header, got)
			}
		}
		if !strings.Contains(got, sallyport.RedactedMark) {
			t.Errorf("of %s there is left %s", header, got)
		}
	}
}

// TestScrubMarks: secrets that look like marks leave a text that stays.
func TestScrubMarks(t *testing.T) {
	s := secretsOf(t, "redacted", "d][r", "x[redacted]y", "zzzz", "aaaa")
	for text, want := range map[string]string{
		"redacted": "[redacted]", "[redacted]": "[redacted]", "[redacted][redacted]": "[redacted]",
		"1x[redacted]y2": "1[redacted]2", "1xzzzzy2": "1[redacted]2", "aaaaaaa": "[redacted]", "aaa": "aaa",
	} {
		if got := s.Scrub(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestScrubJSON(t *testing.T) {
	s := secretsOf(t, "s3cret\"x", "s3cret")
	document := json.RawMessage(`{"s3cret":["s3cret\"x",1.50,{"b":"\u00733cret"}],"c":"<"}`)
	if got := s.ScrubJSON(document); string(got) != `{"[redacted]":["[redacted]",1.50,{"b":"[redacted]"}],"c":"<"}` {
		t.Errorf("%s", got)
	}
	for _, broken := range []string{`{"a":"s3cret`, `{"a":1} s3cret`} {
		if got := s.ScrubJSON(json.RawMessage(broken)); string(got) != `"[redacted]"` {
			t.Errorf("of what is no JSON there is left %s", got)
		}
	}
}

// TestScrubNothing: where there is more to look for than memory is spent on, no
// text is kept.
func TestScrubNothing(t *testing.T) {
	many := make([]string, 5000)
	for i := range many {
		many[i] = fmt.Sprintf("value/%05d", i)
	}
	if got := secretsOf(t, many...).Scrub("anything"); got != sallyport.RedactedMark {
		t.Errorf("it is %s", got)
	}
	if got := secretsOf(t, strings.Repeat("0123456789 key=\n", 1000)).Scrub("anything"); got != "anything" {
		t.Errorf("of a text of 16 KB it is %s", got)
	}
}

// TestScrubWork: an agent chooses secrets and texts. It can't have the gateway
// search a text once for each secret in it, nor for each text of JSON around it.
func TestScrubWork(t *testing.T) {
	chain := secretsOf(t, "yyyyyyyy[redacted]\nxxxxxxxx")
	nest := `"hunter2-confidential"`
	for range 10 {
		b, err := json.Marshal("[" + nest + "]")
		if err != nil {
			t.Fatal(err)
		}
		nest = string(b)
	}
	for reason, tt := range map[string]struct {
		secrets sallyport.Secrets
		text    string
		want    string
		most    float64 // allocations
	}{
		"a secret at the mark of the one before": {chain, strings.Repeat("y", 8_000) + "xxxxxxxx", sallyport.RedactedMark, 100},
		"some of them":                           {chain, "a " + strings.Repeat("y", 24) + "xxxxxxxx", "a [redacted]", 100},
		"JSON in JSON":                           {secretsOf(t, "hunter2-confidential"), "[" + nest + "]", `["[\"[\\\"[\\\\\\\"[\\\\\\\\\\\\\\\"[redacted]\\\\\\\\\\\\\\\"]\\\\\\\"]\\\"]\"]"]`, 1000},
	} {
		if got := tt.secrets.Scrub(tt.text); got != tt.want {
			t.Errorf("%s: it is %.200s, want %s", reason, got, tt.want)
		}
		if n := testing.AllocsPerRun(1, func() { tt.secrets.Scrub(tt.text) }); n > tt.most {
			t.Errorf("%s: the search has %v allocations, want at most %v", reason, n, tt.most)
		}
	}
}

// TestSecretsWork: what is made for the search is bounded too.
func TestSecretsWork(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	secretsOf(t, strings.Repeat("0123456789 key=\n", 1000))
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 16<<20 {
		t.Errorf("the secrets of 16 KB take %d bytes", got)
	}
}

func FuzzScrub(f *testing.F) {
	f.Add("secret", "a secret and [redacted]")
	f.Add("[[re", "[[redacted]")
	f.Add("e[redacted]", `{"a":"e[redacted]"}`)
	f.Fuzz(func(t *testing.T, secret, text string) {
		s := secretsOf(t, secret)
		got := s.Scrub(text)
		if again := s.Scrub(got); again != got {
			t.Errorf("%q without %q is %q, and then %q", text, secret, got, again)
		}
		secret = strings.ToValidUTF8(secret, "\uFFFD") // as JSON has it
		if len(secret) >= 4 && strings.Contains(strings.ReplaceAll(got, sallyport.RedactedMark, ""), secret) && !strings.Contains(got, sallyport.RedactedMark) {
			t.Errorf("%q is in %q", secret, got)
		}
	})
}

func BenchmarkScrub(b *testing.B) {
	s := secretsOf(b, "correct horse battery staple", "another one")
	text := strings.Repeat("a line of a diff that says nothing of it\n", 1000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		s.Scrub(text)
	}
}

// TestScrubSeal: the seal goes to tools with the intent. If it was recorded, the
// commitments under it could be guessed, also those to numbers.
func TestScrubSeal(t *testing.T) {
	seal := []byte("\xff\xfe0123456789 a seal of 32 bytes\xfb")
	call := sallyport.Call{Arguments: json.RawMessage(`{"pin":4711}`), Redact: []string{"/pin"}, Seal: seal}
	echo, err := json.Marshal(call)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		string(echo), strconv.Quote(string(echo)), base64.RawURLEncoding.EncodeToString(seal), url.QueryEscape(base64.StdEncoding.EncodeToString(seal)), fmt.Sprintf("%x", seal),
	} {
		got := call.Secrets().Scrub(text)
		if !strings.Contains(got, sallyport.RedactedMark) || strings.Contains(got, base64.StdEncoding.EncodeToString(seal)[4:20]) {
			t.Errorf("of %s there is left %s", text, got)
		}
	}
}

// TestScrubIsTheSame: of members whose names become one the same one stays each
// time, for digests are over what is left.
func TestScrubIsTheSame(t *testing.T) {
	call := sallyport.Call{Arguments: json.RawMessage(`{"tokens":["alpha-secret","omega-secret"]}`), Redact: []string{"/tokens"}, Seal: []byte("seal")}
	secrets := call.Secrets()
	document := json.RawMessage(`{"alpha-secret":1,"omega-secret":2,"other":{"omega-secret":3,"alpha-secret":4}}`)
	want := string(secrets.ScrubJSON(document))
	for range 100 {
		if got := string(secrets.ScrubJSON(document)); got != want {
			t.Fatalf("%s, and before that %s", got, want)
		}
	}
}
