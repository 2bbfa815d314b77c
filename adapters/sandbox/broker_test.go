//go:build linux && (amd64 || arm64)

package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/tools"
	"github.com/sallyport/sallyport/tools/wire"
)

// ask has the executor send lines to the broker, and returns its responses.
func ask(t *testing.T, m tools.Manifest, lines ...string) []string {
	t.Helper()
	m.Limits.OutputBytes = 4 << 20
	i := intent("ask", map[string]string{"lines": strings.Join(lines, "\n") + "\n"})
	o, err := newRunner(t, m, nil).Run(t.Context(), sallyporttest.AllowedPermit(t, i, sallyport.Obligations{}))
	if err != nil || o.State != sallyport.StateSucceeded {
		t.Fatalf("Run = %+v (%+v), %v", o, o.Error, err)
	}
	var responses []string
	if err := json.Unmarshal(o.Result, &responses); err != nil {
		t.Fatal(err)
	}
	if len(responses) != len(lines) {
		t.Fatalf("%d responses to %d lines: %q", len(responses), len(lines), responses)
	}
	return responses
}

func get(url string) string { return fmt.Sprintf(`{"method":"GET","url":%q}`, url) }

func response(t *testing.T, line string) wire.BrokerResponse {
	t.Helper()
	var r wire.BrokerResponse
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		t.Fatalf("%v in %q", err, line)
	}
	return r
}

// site is a server that counts what reaches it, and a manifest that allows
// its /open.
func site(t *testing.T) (*httptest.Server, *atomic.Int64, tools.Manifest) {
	t.Helper()
	var hits atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		w.Header().Set("Set-Cookie", "session=secret")
		switch r.URL.Path {
		case "/open/redirect":
			http.Redirect(w, r, "/closed", http.StatusFound)
		case "/open/large":
			_, _ = w.Write(make([]byte, 1<<20))
		default:
			w.Header().Set("Content-Type", "text/plain")
			_, _ = fmt.Fprint(w, "hello")
		}
	}))
	t.Cleanup(s.Close)
	m := manifest()
	m.Egress = []string{s.URL + "/open"}
	return s, &hits, m
}

func TestBrokerRefuses(t *testing.T) {
	s, hits, m := site(t)
	host := strings.TrimPrefix(s.URL, "http://")
	for name, tt := range map[string]struct{ reason, line string }{
		"OtherPath":     {"the prefix is /open", get(s.URL + "/closed")},
		"HalfSegment":   {"a prefix ends at a segment", get(s.URL + "/opened")},
		"DotSegments":   {"servers and we could disagree where it leads", get(s.URL + "/open/../closed")},
		"EncodedDots":   {"so with escapes", get(s.URL + "/open/%2e%2e/closed")},
		"EncodedSlash":  {"so with slashes", get(s.URL + "/open/..%2fclosed")},
		"Backslash":     {"some servers take it for a slash", get(s.URL + `/open/..\closed`)},
		"UserInfo":      {"the host comes after the @", get("http://" + host + "@127.0.0.1:1/open")},
		"OtherPort":     {"a port is another service", get("http://127.0.0.1:1/open")},
		"OtherScheme":   {"so is a scheme", get("https://" + host + "/open")},
		"OtherHost":     {"names are not addresses", get(strings.Replace(s.URL, "127.0.0.1", "localhost", 1) + "/open")},
		"File":          {"only HTTP", get("file:///etc/passwd")},
		"Fragment":      {"it is not sent", get(s.URL + "/open#x")},
		"Post":          {"the broker only reads", `{"method":"POST","url":"` + s.URL + `/open"}`},
		"LowerCase":     {"methods are case-sensitive", `{"method":"get","url":"` + s.URL + `/open"}`},
		"NotJSON":       {"requests are JSON", "GET /open"},
		"UnknownMember": {"there are no headers to set", `{"method":"GET","url":"` + s.URL + `/open","header":{}}`},
		"DuplicateURL":  {"which one?", `{"method":"GET","url":"` + s.URL + `/open","url":"` + s.URL + `/closed"}`},
	} {
		t.Run(name, func(t *testing.T) {
			r := response(t, ask(t, m, tt.line)[0])
			refused := strings.HasPrefix(r.Error, "egress_denied: ") || strings.HasPrefix(r.Error, "the request is malformed: ")
			if !refused || r.Status != 0 {
				t.Errorf("response %+v; want it refused: %s", r, tt.reason)
			}
		})
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("%d requests reached the server", n)
	}
}

func TestBrokerAnswers(t *testing.T) {
	s, _, m := site(t)
	// A proxy would see every URL, and could respond in the server's place.
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	responses := ask(t, m, get(s.URL+"/open"), get(s.URL+"/open/redirect"), get(s.URL+"/open/large"), `{"method":"HEAD","url":"`+s.URL+`/open"}`)

	if r := response(t, responses[0]); r.Status != 200 || string(r.Body) != "hello" || r.Header["Content-Type"] != "text/plain" || r.Header["Set-Cookie"] != "" {
		t.Errorf("response %+v; want hello, its type, and no cookie", r)
	}
	if r := response(t, responses[1]); r.Status != http.StatusFound || r.Header["Location"] != "/closed" {
		t.Errorf("response %+v; want the redirect itself", r)
	}
	if r := response(t, responses[2]); len(r.Body) != 64<<10 || !r.Truncated {
		t.Errorf("%d bytes, truncated %t; want 64 KiB, truncated", len(r.Body), r.Truncated)
	}
	if r := response(t, responses[3]); r.Status != 200 || len(r.Body) != 0 {
		t.Errorf("response %+v; want no body", r)
	}
}

func TestBrokerLimits(t *testing.T) {
	s, hits, m := site(t)
	lines := make([]string, 20)
	for n := range lines {
		lines[n] = get(s.URL + "/open")
	}
	responses := ask(t, m, lines...)
	if r := response(t, responses[19]); !strings.HasPrefix(r.Error, "egress_denied: ") || hits.Load() != 16 {
		t.Errorf("response %+v after %d requests; want 16 and no more", r, hits.Load())
	}

	long := ask(t, m, get(s.URL+"/open/"+strings.Repeat("x", 16<<10)), get(s.URL+"/open"))
	for _, line := range long {
		if strings.HasPrefix(line, "{") {
			t.Errorf("response %q; want the broker gone after a line that is too long", line)
		}
	}
	if hits.Load() != 16 {
		t.Errorf("%d requests reached the server; want no more than 16", hits.Load())
	}

	s.Close()
	if r := response(t, ask(t, m, get(s.URL+"/open"))[0]); r.Error != "the connection failed" {
		t.Errorf("response %+v; want it to say that the connection failed, and no more", r)
	}
}
