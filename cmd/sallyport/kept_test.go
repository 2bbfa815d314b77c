package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport/sallyport/cmd/internal/cli"
)

// provider is an identity provider at which one person is logged in already: its
// page sends the browser straight back.
type provider struct {
	*httptest.Server

	tokens  []map[string]any // that it gives, one after another
	refused bool             // the person says no
	grants  []string         // what it was asked for
	revoked string
}

func newProvider(t *testing.T, tokens ...map[string]any) *provider {
	t.Helper()
	p := &provider{tokens: tokens}
	mux := http.NewServeMux()
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	send := func(w http.ResponseWriter, status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v) // the client sees what is missing
	}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		send(w, http.StatusOK, map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"revocation_endpoint": p.URL + "/revoke", "scopes_supported": []string{"openid", "offline_access"},
		})
	})
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		back := url.Values{"state": {r.FormValue("state")}, "code": {"code of " + r.FormValue("scope")}}
		if p.refused {
			back = url.Values{"state": {r.FormValue("state")}, "error": {"access_denied"}}
		}
		http.Redirect(w, r, r.FormValue("redirect_uri")+"?"+back.Encode(), http.StatusFound)
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		p.grants = append(p.grants, r.PostFormValue("grant_type")+" "+r.PostFormValue("code")+r.PostFormValue("refresh_token"))
		if len(p.tokens) == 0 {
			send(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
			return
		}
		send(w, http.StatusOK, p.tokens[0])
		p.tokens = p.tokens[1:]
	})
	mux.HandleFunc("/revoke", func(_ http.ResponseWriter, r *http.Request) { p.revoked = r.PostFormValue("token") })
	return p
}

// browser opens the address that the program prints, as a person would.
type browser struct {
	bytes.Buffer

	t    *testing.T
	once sync.Once
}

func (b *browser) Write(p []byte) (int, error) {
	n, err := b.Buffer.Write(p)
	if _, address, ok := strings.Cut(b.String(), "log in at:\n  "); ok && strings.HasSuffix(address, "\n") {
		b.once.Do(func() {
			r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, strings.TrimSpace(address), nil)
			if err != nil {
				b.t.Error(err)
				return
			}
			go func() {
				if resp, err := http.DefaultClient.Do(r); err == nil {
					_ = resp.Body.Close()
				}
			}()
		})
	}
	return n, err
}

// logins is a person's account on a machine, with a gateway that notes the tokens
// that reach it.
type logins struct {
	t        *testing.T
	gateway  *httptest.Server
	file     string
	mu       sync.Mutex
	requests []string
	seen     func(request string) // if set, is told of each request
}

func newLogins(t *testing.T, s *stage) *logins {
	t.Helper()
	state := t.TempDir()
	for name, value := range map[string]string{"XDG_STATE_HOME": state, "SALLYPORT_TOKEN": "", "SALLYPORT_TOKEN_FILE": "", "SALLYPORT_SERVER": "", "SALLYPORT_ISSUER": ""} {
		t.Setenv(name, value)
	}
	target, err := url.Parse(s.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	l := &logins{t: t, file: filepath.Join(state, "sallyport", "logins.json")}
	l.gateway = httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		l.mu.Lock()
		defer l.mu.Unlock()
		request := r.In.Method + " " + r.In.URL.Path + " as " + strings.TrimPrefix(r.In.Header.Get("Authorization"), "Bearer ")
		l.requests = append(l.requests, request)
		if l.seen != nil {
			l.seen(request)
		}
		r.SetURL(target)
	}})
	t.Cleanup(l.gateway.Close)
	return l
}

// run runs a command that is given no token.
func (l *logins) run(args ...string) (out, notes string, code int) {
	l.t.Helper()
	var stdout strings.Builder
	stderr := &browser{t: l.t}
	code = cli.Run(command(), append(args, "--server", l.gateway.URL), strings.NewReader("yes\n"), &stdout, stderr)
	return stdout.String(), stderr.String(), code
}

func (l *logins) login(p *provider) {
	l.t.Helper()
	if out, notes, code := l.run("login", "--no-browser", "--issuer", p.URL); code != 0 || !strings.Contains(out, "it reads and calls, and never votes") {
		l.t.Fatalf("login exits with %d and says %q, %q", code, out, notes)
	}
}

func tokens(access, refresh string, seconds int) map[string]any {
	return map[string]any{"access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": seconds}
}

// TestKeptLogin follows a log-in from its beginning to its end.
func TestKeptLogin(t *testing.T) {
	s := newStage(t)
	l := newLogins(t, s)
	p := newProvider(t, tokens("bob", "first", 1), tokens("carol", "second", 3600))
	if _, notes, code := l.run("ballots"); code != 1 || !strings.Contains(notes, "log in with `sallyport login --server "+l.gateway.URL+"`") {
		t.Errorf("without a log-in it exits with %d and says %q", code, notes)
	}
	l.login(p)
	for path, mode := range map[string]os.FileMode{l.file: 0o600, filepath.Dir(l.file): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want mode %o", path, info.Mode(), err, mode)
		}
	}
	for range 2 { // the first one has expired, and is renewed once
		if out, notes, code := l.run("ballots"); code != 0 || !strings.Contains(out, s.asked.CallID) {
			t.Fatalf("it exits with %d and says %q, %q", code, out, notes)
		}
	}
	if got := strings.Join(p.grants, ", "); got != "authorization_code code of openid offline_access, refresh_token first" {
		t.Errorf("the provider was asked for %q", got)
	}
	if got := strings.Join(l.requests, ", "); got != "GET /v1/ballots as carol, GET /v1/ballots as carol" {
		t.Errorf("the gateway got %q", got)
	}
	if out, notes, code := l.run("logout"); code != 0 || p.revoked != "second" || !strings.Contains(out, "had it revoked") {
		t.Errorf("logout exits with %d, revokes %q and says %q, %q", code, p.revoked, out, notes)
	}
	if kept, err := os.ReadFile(l.file); err != nil || strings.Contains(string(kept), "second") {
		t.Errorf("after the log-out the file has %s, %v", kept, err)
	}
	if _, _, code := l.run("ballots"); code != 1 {
		t.Errorf("after the log-out it exits with %d", code)
	}
}

// TestKeptLoginEnds: where the provider renews it no more, the command says what to
// type.
func TestKeptLoginEnds(t *testing.T) {
	for name, first := range map[string]map[string]any{"NoRefreshToken": tokens("bob", "", 1), "Refused": tokens("bob", "first", 1)} {
		t.Run(name, func(t *testing.T) {
			l := newLogins(t, newStage(t))
			p := newProvider(t, first)
			l.login(p)
			_, notes, code := l.run("list")
			if code != 1 || len(l.requests) > 0 || !strings.Contains(notes, "log in again with:\n  sallyport login --server "+l.gateway.URL+" --issuer "+p.URL) {
				t.Errorf("it exits with %d, sends %v and says %q", code, l.requests, notes)
			}
		})
	}
}

// TestKeptLoginNeverVotes: what takes a person's authority has them log in, and does
// nothing if they don't.
func TestKeptLoginNeverVotes(t *testing.T) {
	s := newStage(t)
	l := newLogins(t, s)
	p := newProvider(t, tokens("olga", "", 3600))
	l.login(p)
	p.refused = true
	for _, args := range [][]string{
		{"approve", s.asked.CallID, "--yes"},
		{"approve", s.asked.CallID, "--yes", "--login"},
		{"approve", s.asked.CallID, "--yes", "--reject"},
		{"freeze", "--everything", "--reason", "r"},
		{"freeze", "lift", s.asked.CallID},
		{"cancel", s.asked.CallID},
	} {
		_, notes, code := l.run(append(args, "--no-browser", "--issuer", p.URL)...)
		if code != 1 || !strings.Contains(notes, "refused the log-in: access_denied") {
			t.Errorf("%v exits with %d and says %q", args, code, notes)
		}
	}
	if len(l.requests) > 0 || len(s.votes) > 0 {
		t.Errorf("the kept log-in was used: %v", l.requests)
	}
	for _, args := range [][]string{{"freeze", "list"}, {"list"}, {"get", s.asked.CallID}, {"search"}} { // the kept one reads
		if _, notes, code := l.run(args...); code != 0 {
			t.Errorf("%v exits with %d and says %q", args, code, notes)
		}
	}
	if strings.Contains(strings.Join(l.requests, " "), "POST") || len(l.requests) != 4 {
		t.Errorf("the gateway got %q", l.requests)
	}
}

// TestKeptLoginIsForOneGateway: no other one gets its token.
func TestKeptLoginIsForOneGateway(t *testing.T) {
	l := newLogins(t, newStage(t))
	l.login(newProvider(t, tokens("olga", "", 3600)))
	first := l.requests
	other := newLogins(t, newStage(t))
	t.Setenv("XDG_STATE_HOME", filepath.Dir(filepath.Dir(l.file)))
	if _, notes, code := other.run("list"); code != 1 || len(other.requests) > 0 || !strings.Contains(notes, "no identity for this request") {
		t.Errorf("it exits with %d, sends %v and says %q", code, other.requests, notes)
	}
	if _, _, code := l.run("list"); code != 0 || len(l.requests) != len(first)+1 {
		t.Errorf("its own gateway: it exits with %d", code)
	}
}

// TestKeptLoginVerifies: an auditor's reads the log that a gateway serves.
func TestKeptLoginVerifies(t *testing.T) {
	s := newStage(t)
	l := newLogins(t, s)
	l.login(newProvider(t, tokens("audra", "", 3600)))
	if _, notes, code := l.run("prove", s.asked.CallID, "--file", filepath.Join(t.TempDir(), "proof")); code != 0 { // it signs a checkpoint
		t.Fatal(notes)
	}
	var out strings.Builder
	code := cli.Run(command(), []string{"verify", "--tiles", l.gateway.URL + "/ledger", "--key", s.key}, strings.NewReader(""), &out, &out)
	if code != 0 || !slices.Contains(l.requests, "GET /ledger/checkpoint as audra") {
		t.Errorf("it exits with %d, sends %v and says %q", code, l.requests, out.String())
	}
}

// TestKeptNowhere: an account without a home keeps no log-in, and may still give
// a token.
func TestKeptNowhere(t *testing.T) {
	l := newLogins(t, newStage(t))
	for _, name := range []string{"XDG_STATE_HOME", "HOME", "LocalAppData"} {
		t.Setenv(name, "")
	}
	if _, notes, code := l.run("list"); code != 1 || !strings.Contains(notes, "no identity for this request") {
		t.Errorf("list exits with %d and says %q", code, notes)
	}
	if _, notes, code := l.run("login", "--no-browser", "--issuer", newProvider(t, tokens("olga", "", 3600)).URL); code != 1 || !strings.Contains(notes, "set $XDG_STATE_HOME") {
		t.Errorf("login exits with %d and says %q", code, notes)
	}
}

// TestKeptLoginThatOthersCanRead is not used.
func TestKeptLoginThatOthersCanRead(t *testing.T) {
	l := newLogins(t, newStage(t))
	l.login(newProvider(t, tokens("olga", "", 3600)))
	if err := os.Chmod(l.file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, notes, code := l.run("list"); code != 1 || len(l.requests) > 0 || !strings.Contains(notes, "chmod 0600") {
		t.Errorf("it exits with %d, sends %v and says %q", code, l.requests, notes)
	}
}
