package idp_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/oidc"
	"github.com/sallyport/sallyport/dev/idp"
)

const instanceToken = "instance-token-for-tests"

// clock is a clock that tests turn. It begins now, for those who verify
// tokens by a clock of their own.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a provider on loopback and a browser.
type world struct {
	*idp.Provider
	clock   *clock
	base    string
	dir     string
	browser *http.Client
}

const (
	uiCallback  = "http://127.0.0.1:8233/auth/sso/callback"
	cliCallback = "http://127.0.0.1:53682/callback"
	loggedOut   = "http://127.0.0.1:8233/bye"
)

func newWorld(t *testing.T) *world {
	t.Helper()
	// The folder is not there: making it is the provider's part.
	return startWorld(t, filepath.Join(t.TempDir(), "idp"))
}

func startWorld(t *testing.T, dir string) *world {
	t.Helper()
	w := &world{clock: &clock{now: time.Now()}, dir: dir}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.ServeHTTP(rw, r) }))
	t.Cleanup(server.Close)
	w.base = server.URL
	provider, err := idp.New(w.options())
	if err != nil {
		t.Fatal(err)
	}
	w.Provider = provider
	w.browser = newBrowser(t)
	return w
}

func (w *world) options() idp.Options {
	people, agents := idp.Demo()
	return idp.Options{
		Issuer: w.base, Dir: w.dir, Now: w.clock.Now, People: people, Agents: agents, InstanceToken: instanceToken,
		Clients: []idp.Client{
			{ID: "temporal-ui", Name: "Temporal UI", RedirectURIs: []string{uiCallback}, LogoutURIs: []string{loggedOut}, Audiences: []string{"temporal"}},
			{ID: "other-cli", Public: true, RedirectURIs: []string{"http://127.0.0.1/callback"}},
			{ID: "cli", Public: true, RedirectURIs: []string{"http://127.0.0.1/callback"}, Audiences: []string{"sallyport", "temporal"}},
		},
		Claims: func(subject, audience string) map[string]any {
			if audience != "temporal" {
				return nil
			}
			return map[string]any{"permissions": []string{"default:read"}, "sub": "mallory", "exp": 1 << 40, "for": subject}
		},
	}
}

// newBrowser keeps cookies and shows redirects instead of following them.
func newBrowser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// response is an HTTP response whose body was read.
type response struct {
	status int
	header http.Header
	body   string
}

func (w *world) do(t *testing.T, method, path, body string, header map[string]string) response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, w.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	if host := header["Host"]; host != "" {
		request.Host = host
	}
	res, err := w.browser.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response{status: res.StatusCode, header: res.Header, body: string(content)}
}

func (w *world) post(t *testing.T, path string, values url.Values) response {
	t.Helper()
	return w.do(t, "POST", path, values.Encode(), map[string]string{"Content-Type": "application/x-www-form-urlencoded"})
}

// fields reads a JSON object.
func (r response) fields(t *testing.T) map[string]any {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal([]byte(r.body), &fields); err != nil {
		t.Fatalf("status %d, body %q: %v", r.status, r.body, err)
	}
	return fields
}

func (r response) text(t *testing.T, name string) string {
	t.Helper()
	text, _ := r.fields(t)[name].(string)
	return text
}

// identities is the gateway's view, by the demo's identity table.
func (w *world) identities(t *testing.T) *oidc.Identities {
	t.Helper()
	path := filepath.Join(t.TempDir(), "identities.yaml")
	if err := os.WriteFile(path, idp.Table(w.base), 0o600); err != nil {
		t.Fatal(err)
	}
	identities, err := oidc.New(t.Context(), oidc.Options{
		Table: path, Client: http.DefaultClient, Now: w.clock.Now, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return identities
}

func TestTableKnowsTheDemo(t *testing.T) {
	w := newWorld(t)
	identities := w.identities(t)
	people, agents := idp.Demo()
	owners := map[string]string{}
	for _, a := range agents {
		token, err := w.Token(a.ID, "", 0)
		if err != nil {
			t.Fatal(err)
		}
		who, err := identities.Identify(t.Context(), token)
		if err != nil || who.Agent == nil || who.Agent.ID != a.ID {
			t.Fatalf("%s: %+v, %v", a.ID, who, err)
		}
		owners[a.ID] = who.Agent.Owner
	}
	if d := cmp.Diff(map[string]string{"deploy-bot": "alice", "triage-bot": "carol"}, owners); d != "" {
		t.Errorf("owners (-want +got)\n%s", d)
	}
	groups := map[string]string{}
	for _, p := range people {
		token, err := w.Token(p.ID, "sallyport", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		who, err := identities.Identify(t.Context(), token)
		if err != nil || who.Person == nil || who.Person.ID != p.ID {
			t.Fatalf("%s: %+v, %v", p.ID, who, err)
		}
		groups[p.ID] = strings.Join(who.Person.Groups, ",")
	}
	want := map[string]string{"alice": "sre", "bob": "sre", "carol": "sre", "dave": "dev", "olga": "operators", "audra": "auditors"}
	if d := cmp.Diff(want, groups); d != "" {
		t.Errorf("groups (-want +got)\n%s", d)
	}
}

func TestTokensForOthersAreRefused(t *testing.T) {
	w := newWorld(t)
	identities := w.identities(t)
	token, err := w.Token("bob", "temporal", 0)
	if err != nil {
		t.Fatal(err)
	}
	if who, err := identities.Identify(t.Context(), token); sallyport.CodeOf(err) != "other_audience" {
		t.Errorf("a token for Temporal: %+v, %v", who, err)
	}
	token, err = w.Token("bob", "", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	w.clock.advance(2 * time.Minute)
	if who, err := identities.Identify(t.Context(), token); sallyport.CodeOf(err) != "expired_token" {
		t.Errorf("an expired token: %+v, %v", who, err)
	}
	for _, subject := range []string{"", "mallory", "cli"} {
		if token, err := w.Token(subject, "", 0); err == nil {
			t.Errorf("a token for %q: %s", subject, token)
		}
	}
	for _, ttl := range []time.Duration{-time.Second, 25 * time.Hour} {
		if _, err := w.Token("bob", "", ttl); err == nil {
			t.Errorf("a token valid for %s", ttl)
		}
	}
}

func TestAddedClaims(t *testing.T) {
	w := newWorld(t)
	token, err := w.Token("bob", "temporal", 0)
	if err != nil {
		t.Fatal(err)
	}
	provider, err := gooidc.NewProvider(t.Context(), w.PeopleIssuer())
	if err != nil {
		t.Fatal(err)
	}
	verified, err := provider.Verifier(&gooidc.Config{ClientID: "temporal"}).Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Permissions []string `json:"permissions"`
		For         string   `json:"for"`
	}
	if err := verified.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	if verified.Subject != "bob" || claims.For != "bob" || !cmp.Equal(claims.Permissions, []string{"default:read"}) {
		t.Errorf("subject %q, claims %+v", verified.Subject, claims)
	}
	if verified.Expiry.After(w.clock.Now().Add(2 * time.Hour)) {
		t.Errorf("an added claim changed the expiry to %s", verified.Expiry)
	}
}

func TestKeysAndSecretsPersist(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "idp")
	first, second := startWorld(t, dir), startWorld(t, dir)
	for _, path := range []string{"/agents/keys", "/people/keys"} {
		if a, b := first.do(t, "GET", path, "", nil).body, second.do(t, "GET", path, "", nil).body; a != b {
			t.Errorf("%s: other keys after a restart", path)
		}
	}
	if a, b := first.do(t, "GET", "/agents/keys", "", nil).body, first.do(t, "GET", "/people/keys", "", nil).body; a == b {
		t.Error("agents' tokens are signed with the same key as people's")
	}
	for _, id := range []string{"deploy-bot", "triage-bot", "temporal-ui"} {
		a, _ := first.Secret(id)
		b, _ := second.Secret(id)
		if a == "" || a != b {
			t.Errorf("%s: secrets %q and %q", id, a, b)
		}
	}
	if secret, ok := first.Secret("cli"); ok {
		t.Errorf("a public client has a secret: %q", secret)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		info, err := file.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %04o", file.Name(), info.Mode().Perm())
		}
		path := filepath.Join(dir, file.Name())
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := idp.New(second.options()); err == nil || !strings.Contains(err.Error(), file.Name()) {
			t.Errorf("%s may be read by others: %v", file.Name(), err)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range files {
		if err := os.WriteFile(filepath.Join(dir, file.Name()), []byte("broken"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := idp.New(second.options()); err == nil {
			t.Errorf("New accepts a broken %s", file.Name())
		}
		if err := os.Remove(filepath.Join(dir, file.Name())); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]func(*idp.Options){
		"NoIssuer":      func(o *idp.Options) { o.Issuer = "" },
		"TrailingSlash": func(o *idp.Options) { o.Issuer += "/" },
		"Localhost":     func(o *idp.Options) { o.Issuer = "http://localhost:8090" },
		"NotLoopback":   func(o *idp.Options) { o.Issuer = "http://192.0.2.1:8090" },
		"NamedPlain":    func(o *idp.Options) { o.Issuer, o.Named = "http://idp.example.com", true },
		"NotNamed":      func(o *idp.Options) { o.Issuer = "https://idp.example.com" },
		"Everywhere":    func(o *idp.Options) { o.Issuer = "http://0.0.0.0:8090" },
		"NoDir":         func(o *idp.Options) { o.Dir = "" },
		"NoClock":       func(o *idp.Options) { o.Now = nil },
		"AgentIsPerson": func(o *idp.Options) { o.Agents = append(o.Agents, idp.AgentEntry{ID: "bob"}) },
		"NamelessAgent": func(o *idp.Options) { o.Agents = append(o.Agents, idp.AgentEntry{}) },
		"NoRedirect":    func(o *idp.Options) { o.Clients = []idp.Client{{ID: "x"}} },
		"PlainRedirect": func(o *idp.Options) {
			o.Clients = []idp.Client{{ID: "x", RedirectURIs: []string{"http://example.com/cb"}}}
		},
		"ScriptRedirect": func(o *idp.Options) {
			o.Clients = []idp.Client{{ID: "x", RedirectURIs: []string{"javascript:alert(1)"}}}
		},
		"PublicSecret": func(o *idp.Options) {
			o.Clients = []idp.Client{{ID: "x", Public: true, Secret: "s", RedirectURIs: []string{uiCallback}}}
		},
	} {
		opts := w.options()
		change(&opts)
		if _, err := idp.New(opts); err == nil {
			t.Errorf("%s: New succeeded", name)
		}
	}
}

// TestNamed runs the provider under a host name, as in networks made for tests.
func TestNamed(t *testing.T) {
	opts := newWorld(t).options()
	opts.Issuer, opts.Named = "https://idp.example.com:8090", true
	p, err := idp.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.PeopleIssuer(); got != "https://idp.example.com:8090/people" {
		t.Errorf("the issuer of people is %s", got)
	}
}

func TestDevToken(t *testing.T) {
	w := newWorld(t)
	ask := func(body, instance string) response {
		return w.do(t, "POST", "/dev/token", body, map[string]string{idp.InstanceTokenHeader: instance, "Content-Type": "application/json"})
	}
	good := ask(`{"as":"bob"}`, instanceToken)
	if good.status != http.StatusOK || good.fields(t)["expires_in"] != 3600.0 {
		t.Fatalf("status %d, %s", good.status, good.body)
	}
	who, err := w.identities(t).Identify(t.Context(), good.text(t, "access_token"))
	if err != nil || who.Person == nil || who.Person.ID != "bob" {
		t.Errorf("Identify = %+v, %v", who, err)
	}
	for name, tt := range map[string]struct {
		body, instance string
		status         int
	}{
		"NoToken":    {`{"as":"bob"}`, "", http.StatusUnauthorized},
		"OtherToken": {`{"as":"bob"}`, "other", http.StatusUnauthorized},
		"NoPerson":   {`{"as":"mallory"}`, instanceToken, http.StatusBadRequest},
		"UnknownKey": {`{"as":"bob","ttl":1}`, instanceToken, http.StatusBadRequest},
		"TooLong":    {`{"as":"bob","ttl_seconds":999999}`, instanceToken, http.StatusBadRequest},
		"Overflow":   {`{"as":"bob","ttl_seconds":9223372037}`, instanceToken, http.StatusBadRequest},
		"NotJSON":    {`as=bob`, instanceToken, http.StatusBadRequest},
		"Huge":       {`{"as":"` + strings.Repeat("x", 20000) + `"}`, instanceToken, http.StatusBadRequest},
	} {
		if got := ask(tt.body, tt.instance); got.status != tt.status || got.text(t, "access_token") != "" {
			t.Errorf("%s: status %d, %s", name, got.status, got.body)
		}
	}
	opts := w.options()
	opts.InstanceToken = ""
	open, err := idp.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	w.Provider = open
	if got := ask(`{"as":"bob"}`, ""); got.status != http.StatusNotFound {
		t.Errorf("without an instance token: status %d, %s", got.status, got.body)
	}
}

func TestGuard(t *testing.T) {
	w := newWorld(t)
	if got := w.do(t, "GET", "/people/keys", "", map[string]string{"Host": "evil.example.com"}); got.status != http.StatusMisdirectedRequest {
		t.Errorf("under another name: status %d", got.status)
	}
	got := w.do(t, "GET", "/people/keys", "", nil)
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cache-Control": "no-store",
	} {
		if got.header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got.header.Get(name), want)
		}
	}
	if bytes.Contains([]byte(got.body), []byte(`"d"`)) {
		t.Error("the keys are private ones")
	}
}
