package api_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sallyport/sallyport/api"
)

// TestScripts runs testdata/*.txtar. Beside testscript's own commands they have
//
//	http FILE       sends the request in FILE, and prints the response to stdout;
//	                $CALL, $BALLOT and $FREEZE in it are those of the last responses, and
//	                $BIG is 64 KiB long
//	[!] down WHAT   puts WHAT out of reach, or back
//	advance N       moves the clock by N (a duration)
//	rate BURST      lets every agent have BURST calls, and one more per minute
//	log TEXT        fails unless the log contains TEXT; ! the other way round
//
// UPDATE_SCRIPTS=1 writes what came instead of comparing it.
func TestScripts(t *testing.T) {
	c := loadContract(t)
	scripts, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	ran := make(chan string, len(scripts))
	t.Run("all", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir:           "testdata",
			UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
			Setup: func(env *testscript.Env) error {
				ran <- env.WorkDir
				env.Setenv("BIG", strings.Repeat("x", 64<<10))
				env.Setenv("NUMBERS", strings.Repeat("9e15,", 4_080)+"1")
				env.Values[playKey{}] = newPlay(t, env, c)
				return nil
			},
			Cmds: map[string]func(*testscript.TestScript, bool, []string){
				"http": sendScripted, "down": takeDown, "advance": advance, "rate": limitRate, "log": grepLog,
			},
		})
	})
	if len(ran) < len(scripts) {
		return // some were left out on purpose
	}
	if d := cmp.Diff(c.statuses(), slices.DeleteFunc(sortedKeys(c.seen), isFault)); d != "" {
		t.Errorf("what openapi.yaml describes and what the scripts show (-described +shown)\n%s", d)
	}
}

func isFault(seen string) bool {
	return strings.HasSuffix(seen, " 429") || strings.HasSuffix(seen, " 500")
}

func sortedKeys(m map[string]bool) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

type playKey struct{}

// play is one script's gateway.
type play struct {
	*gateway
	server   *httptest.Server
	contract *contract
}

func newPlay(tb testing.TB, env *testscript.Env, c *contract) *play {
	tb.Helper()
	p := &play{gateway: newGateway(tb), contract: c}
	p.server = httptest.NewServer(p.gateway.server(tb).Handler())
	env.Defer(p.server.Close)
	return p
}

func playOf(ts *testscript.TestScript) *play {
	p, ok := ts.Value(playKey{}).(*play)
	if !ok {
		ts.Fatalf("there is no gateway")
	}
	return p
}

func sendScripted(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: http FILE")
	}
	p := playOf(ts)
	r, err := parseRequest(p.server.URL, os.Expand(ts.ReadFile(args[0]), ts.Getenv))
	ts.Check(err)
	response, err := p.server.Client().Do(r)
	ts.Check(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	ts.Check(err)
	ts.Check(p.contract.check(r.Method, r.URL.RequestURI(), response.StatusCode, response.Header, body))
	ts.Check(checkEvery(response, body))
	remember(ts, body)
	_, err = io.WriteString(ts.Stdout(), printed(response, body))
	ts.Check(err)
}

// parseRequest reads a request as it stands in RFC 9112, less what a client
// adds by itself.
func parseRequest(base, text string) (*http.Request, error) {
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(strings.TrimSpace(head), "\n")
	method, target, ok := strings.Cut(lines[0], " ")
	if !ok {
		return nil, fmt.Errorf("the request begins with %q", lines[0])
	}
	r, err := http.NewRequest(method, base+target, strings.NewReader(strings.TrimSuffix(body, "\n")))
	if err != nil {
		return nil, err
	}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		r.Header.Add(name, strings.TrimSpace(value))
	}
	return r, nil
}

// checkEvery checks what all responses have in common.
func checkEvery(r *http.Response, body []byte) error {
	switch {
	case r.Header.Get(echo.HeaderXRequestID) == "":
		return errors.New("the response has no X-Request-Id")
	case r.Header.Get(echo.HeaderCacheControl) != "no-store" && (r.StatusCode != http.StatusOK || !strings.HasPrefix(r.Request.URL.Path, "/ledger/tile/")):
		return errors.New("the response may be cached")
	case r.Header.Get(echo.HeaderXContentTypeOptions) != "nosniff":
		return errors.New("the response may be sniffed")
	case r.StatusCode >= 400 && r.Header.Get(echo.HeaderContentType) != "application/problem+json" && !bytes.HasPrefix(body, []byte(`{"jsonrpc":`)):
		return errors.New("the refusal is no problem")
	case bytes.Contains(body, []byte("evidence-token")):
		return errors.New("the response shows a vote's evidence")
	case bytes.Contains(body, []byte("10.0.0.7")):
		return errors.New("the response shows what is wrong inside")
	}
	return nil
}

// remember sets $CALL and $BALLOT.
func remember(ts *testscript.TestScript, body []byte) {
	var response struct {
		ID     string `json:"id"`
		CallID string `json:"call_id"`
		Freeze *bool  `json:"everything"`
		Ballot *struct {
			Digest string `json:"digest"`
		} `json:"ballot"`
	}
	if json.Unmarshal(body, &response) != nil {
		return
	}
	if response.Freeze != nil {
		ts.Setenv("FREEZE", response.ID)
	} else if id := response.ID + response.CallID; id != "" {
		ts.Setenv("CALL", id)
	}
	if response.Ballot != nil {
		ts.Setenv("BALLOT", response.Ballot.Digest)
	}
}

// printed is a response as scripts show it: the headers that matter, and JSON
// indented.
func printed(r *http.Response, body []byte) string {
	var b strings.Builder
	fmt.Fprintln(&b, r.Status)
	for _, name := range []string{"Content-Type", "Location", "Preference-Applied", "Retry-After", "WWW-Authenticate", "Allow"} {
		if v := r.Header.Get(name); v != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, v)
		}
	}
	fmt.Fprintln(&b)
	var indented bytes.Buffer
	if json.Indent(&indented, body, "", "  ") == nil {
		body = indented.Bytes()
	}
	if text := strings.TrimRight(string(body), "\n"); text != "" {
		fmt.Fprintln(&b, text)
	}
	return b.String()
}

func takeDown(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] down WHAT")
	}
	playOf(ts).down.set(args[0], !neg)
}

func advance(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: advance DURATION")
	}
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	playOf(ts).clock.advance(d)
}

func limitRate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: rate BURST")
	}
	p := playOf(ts)
	p.options.RateLimit = api.RateLimit{PerSecond: 1.0 / 60}
	_, err := fmt.Sscan(args[0], &p.options.RateLimit.Burst)
	ts.Check(err)
	s, err := api.New(p.options)
	ts.Check(err)
	p.server.Config.Handler = s.Handler()
}

func grepLog(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] log TEXT")
	}
	if log := playOf(ts).log.String(); strings.Contains(log, args[0]) == neg {
		ts.Fatalf("log %q: %t in\n%s", args[0], neg, log)
	}
}
