package temporaltest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	audience = "temporal" // of access tokens
	uiClient = "temporal-ui"
	uiSecret = "not-a-secret" // of a provider that lives as long as a test
	keyID    = "test"
	jwksPath = "/jwks"
)

// Provider is an OpenID Connect provider without passwords: its log-in page
// logs in the person that [Provider.LogIn] named last.
type Provider struct {
	server *httptest.Server
	key    *ecdsa.PrivateKey
	signer jose.Signer

	mu      sync.Mutex
	browser string           // who logs in
	codes   map[string]login // by authorization code
}

type login struct {
	subject, nonce, redirect string
}

// NewProvider starts a provider, and stops it when the test ends.
func NewProvider(tb testing.TB) *Provider {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", keyID)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, options)
	if err != nil {
		tb.Fatal(err)
	}
	p := &Provider{key: key, signer: signer, codes: map[string]login{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET "+jwksPath, p.jwks)
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	p.server = httptest.NewServer(mux)
	tb.Cleanup(p.server.Close)
	return p
}

// URL is the issuer.
func (p *Provider) URL() string { return p.server.URL }

// LogIn makes subject the one who sits at the browser.
func (p *Provider) LogIn(subject string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.browser = subject
}

// AccessToken is a person's token for the Temporal server.
func (p *Provider) AccessToken(subject string) string {
	return p.sign(map[string]any{"aud": audience, "sub": subject})
}

// Token signs any claims; issuer and times are added where they are missing.
func (p *Provider) Token(claims map[string]any) string { return p.sign(claims) }

func (p *Provider) sign(claims map[string]any) string {
	all := map[string]any{"iss": p.URL(), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(all, claims)
	token, err := jwt.Signed(p.signer).Claims(all).Serialize()
	if err != nil {
		return "" // the server refuses it, and the test says so
	}
	return token
}

func (p *Provider) discovery(w http.ResponseWriter, _ *http.Request) {
	respond(w, map[string]any{
		"issuer":                                p.URL(),
		"authorization_endpoint":                p.URL() + "/authorize",
		"token_endpoint":                        p.URL() + "/token",
		"jwks_uri":                              p.URL() + jwksPath,
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"ES256"},
	})
}

func (p *Provider) jwks(w http.ResponseWriter, _ *http.Request) {
	respond(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{KeyID: keyID, Key: p.key.Public(), Algorithm: "ES256", Use: "sig"}}})
}

func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	back, err := url.Parse(r.FormValue("redirect_uri"))
	if err != nil || r.FormValue("client_id") != uiClient {
		http.Error(w, "unknown client", http.StatusBadRequest)
		return
	}
	code := rand.Text()
	p.mu.Lock()
	p.codes[code] = login{subject: p.browser, nonce: r.FormValue("nonce"), redirect: back.String()}
	p.mu.Unlock()
	query := url.Values{"code": {code}, "state": {r.FormValue("state")}}
	back.RawQuery = query.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound) //nolint:gosec // tests alone use this provider
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	l, ok := p.codes[r.FormValue("code")]
	delete(p.codes, r.FormValue("code"))
	p.mu.Unlock()
	if !ok || r.FormValue("redirect_uri") != l.redirect {
		http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
		return
	}
	respond(w, map[string]any{
		"access_token": p.AccessToken(l.subject),
		"id_token":     p.sign(map[string]any{"aud": uiClient, "sub": l.subject, "nonce": l.nonce, "name": l.subject, "email": l.subject + "@example.com"}),
		"token_type":   "Bearer",
		"expires_in":   3600,
	})
}

func respond(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// Close stops the provider before the test ends.
func (p *Provider) Close() { p.server.Close() }
