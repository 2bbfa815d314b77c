package client_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
)

// provider is the part of an identity provider that a log-in needs. It issues one
// code, and tokens for it to a client that proves that the code is its own.
type provider struct {
	*httptest.Server

	authorize string     // where it has people log in
	names     bool       // it names itself in its responses
	asked     url.Values // the authorization request
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{}
	mux := http.NewServeMux()
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	p.authorize = p.URL + "/authorize"
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		respond(w, http.StatusOK, map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.authorize, "authorization_response_iss_parameter_supported": p.names, "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
		})
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		if r.PostFormValue("code") != "good" || base64.RawURLEncoding.EncodeToString(sum[:]) != p.asked.Get("code_challenge") ||
			r.PostFormValue("redirect_uri") != p.asked.Get("redirect_uri") {
			respond(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
			return
		}
		respond(w, http.StatusOK, map[string]any{"access_token": "access", "token_type": "Bearer", "id_token": "id of " + p.asked.Get("nonce")})
	})
	return p
}

func respond(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client sees what is missing
}

// login is a log-in with a test's own browser.
func (p *provider) login(do func(back func(url.Values) int)) client.Login {
	return client.Login{Issuer: p.URL, ClientID: "approve", Show: func(ctx context.Context, address string) error {
		u, err := url.Parse(address)
		if err != nil {
			return err
		}
		p.asked = u.Query()
		do(func(values url.Values) int {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.asked.Get("redirect_uri")+"?"+values.Encode(), nil)
			if err != nil {
				return 0
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				return 0
			}
			_ = resp.Body.Close()
			return resp.StatusCode
		})
		return nil
	}}
}

var ballot = sallyport.NewDigest("ballot")

func TestSignVote(t *testing.T) {
	p := newProvider(t)
	p.names = true
	token, err := p.login(func(back func(url.Values) int) {
		state := p.asked.Get("state")
		for name, values := range map[string]url.Values{
			"no state":       {"code": {"stolen"}},
			"another state":  {"code": {"stolen"}, "state": {"guessed"}},
			"no issuer":      {"code": {"stolen"}, "state": {state}},
			"another issuer": {"code": {"stolen"}, "state": {state}, "iss": {"https://evil.example.com"}},
		} {
			if got := back(values); got != http.StatusBadRequest {
				t.Errorf("a response with %s gets %d", name, got)
			}
		}
		if got := back(url.Values{"code": {"good"}, "state": {state}, "iss": {p.URL}}); got != http.StatusOK {
			t.Errorf("the response gets %d", got)
		}
		if got := back(url.Values{"code": {"late"}, "state": {state}, "iss": {p.URL}}); got != http.StatusConflict {
			t.Errorf("a second response gets %d", got)
		}
	}).SignVote(t.Context(), sallyport.Reject, ballot)
	if want := "id of reject:" + string(ballot); err != nil || token != want {
		t.Fatalf("SignVote = %q, %v; want %q", token, err, want)
	}
	for name, want := range map[string]string{
		"prompt": "login", "max_age": "0", "response_type": "code", "client_id": "approve", "scope": "openid", "code_challenge_method": "S256",
	} {
		if got := p.asked.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if at := p.asked.Get("redirect_uri"); !strings.HasPrefix(at, "http://127.0.0.1:") {
		t.Errorf("the browser is sent back to %s", at)
	}
}

func TestAccessToken(t *testing.T) {
	p := newProvider(t)
	token, err := p.login(func(back func(url.Values) int) {
		back(url.Values{"code": {"good"}, "state": {p.asked.Get("state")}})
	}).AccessToken(t.Context(), "sallyport")
	if err != nil || token != "access" || p.asked.Get("audience") != "sallyport" {
		t.Errorf("AccessToken = %q, %v, for audience %q", token, err, p.asked.Get("audience"))
	}
	if nonce := p.asked.Get("nonce"); strings.Contains(nonce, ":") || len(nonce) < 20 {
		t.Errorf("the nonce %q is not random", nonce)
	}
}

func TestLoginFails(t *testing.T) {
	p, odd := newProvider(t), newProvider(t)
	odd.authorize = "file:///etc/\x1b[2J"
	ctx, cancel := context.WithCancel(t.Context())
	for name, tt := range map[string]struct {
		login client.Login
		want  string
	}{
		"Refused": {p.login(func(back func(url.Values) int) {
			back(url.Values{"error": {"access_denied"}, "error_description": {"no \x1b[2J"}, "state": {p.asked.Get("state")}})
		}), `refused the log-in: access_denied no \u{001b}[2J`},
		"OtherCode": {p.login(func(back func(url.Values) int) {
			back(url.Values{"code": {"bad"}, "state": {p.asked.Get("state")}})
		}), "gave no tokens"},
		"GivenUp":   {p.login(func(func(url.Values) int) { cancel() }), "context canceled"},
		"NotShown":  {client.Login{Issuer: p.URL, Show: func(context.Context, string) error { return errors.New("no terminal") }}, "no terminal"},
		"PlainHTTP": {client.Login{Issuer: "http://login.example.com"}, "must be an https URL"},
		"OddPage":   {odd.login(func(func(url.Values) int) { t.Error("the person was sent to a file") }), "must be https URLs"},
		"Localhost": {client.Login{Issuer: "http://localhost:1"}, "must be an https URL"},
		"NoIssuer":  {client.Login{}, "must be an https URL"},
		"Elsewhere": {client.Login{Issuer: p.URL + "/other"}, "does not say how to log in"},
	} {
		t.Run(name, func(t *testing.T) {
			with := t.Context()
			if name == "GivenUp" {
				with = ctx
			}
			token, err := tt.login.SignVote(with, sallyport.Approve, ballot)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("SignVote = %q, %v; want %q", token, err, tt.want)
			}
		})
	}
}
