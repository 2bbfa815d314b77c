package oidc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport/sallyport/adapters/oidc"
)

// clock is a clock that tests turn.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 21, 22, 0, 0, 0, time.UTC)} }

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

// fakeIssuer is a real issuer on loopback, whose answers tests change.
type fakeIssuer struct {
	*httptest.Server
	clock *clock

	mu       sync.Mutex
	keys     map[string]*ecdsa.PrivateKey
	metadata map[string]any // what discovery says besides
	down     bool
	asked    map[string]int // requests by path
}

func newIssuer(t *testing.T, c *clock) *fakeIssuer {
	t.Helper()
	i := &fakeIssuer{clock: c, keys: map[string]*ecdsa.PrivateKey{}, metadata: map[string]any{}, asked: map[string]int{}}
	i.Server = httptest.NewServer(http.HandlerFunc(i.serve))
	t.Cleanup(i.Close)
	i.addKey(t, "first")
	return i
}

func (i *fakeIssuer) serve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked[r.URL.Path]++
	if i.down {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	var body any
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		document := map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/keys"}
		maps.Copy(document, i.metadata)
		body = document
	case "/keys":
		body = i.jwks()
	case "/moved":
		http.Redirect(w, r, i.URL+"/keys", http.StatusFound)
		return
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // on an error the client sees a truncated body
}

func (i *fakeIssuer) jwks() jose.JSONWebKeySet {
	var set jose.JSONWebKeySet
	for kid, key := range i.keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.Public(), KeyID: kid, Algorithm: "ES256", Use: "sig"})
	}
	return set
}

func (i *fakeIssuer) change(f func(*fakeIssuer)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f(i)
}

// fetches counts how often the keys were fetched.
func (i *fakeIssuer) fetches() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked["/keys"]
}

// discoveries counts how often the discovery document was.
func (i *fakeIssuer) discoveries() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked["/.well-known/openid-configuration"]
}

func (i *fakeIssuer) addKey(t *testing.T, kid string) *ecdsa.PrivateKey {
	t.Helper()
	key := newECKey(t)
	i.change(func(i *fakeIssuer) { i.keys[kid] = key })
	return key
}

func newECKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// claimsOf are the claims of a good token, with changes; nil takes one away.
func (i *fakeIssuer) claimsOf(subject string, changes map[string]any) map[string]any {
	now := i.clock.Now().Unix()
	claims := map[string]any{"iss": i.URL, "sub": subject, "aud": "sallyport", "iat": now, "exp": now + 600, "jti": "1"}
	for name, value := range changes {
		if value == nil {
			delete(claims, name)
		} else {
			claims[name] = value
		}
	}
	return claims
}

// token is signed with the issuer's first key.
func (i *fakeIssuer) token(t *testing.T, subject string, changes map[string]any) string {
	t.Helper()
	i.mu.Lock()
	key := i.keys["first"]
	i.mu.Unlock()
	return signed(t, jose.ES256, key, "first", "at+jwt", i.claimsOf(subject, changes))
}

func signed(t *testing.T, alg jose.SignatureAlgorithm, key any, kid, typ string, claims map[string]any) string {
	t.Helper()
	options := &jose.SignerOptions{}
	if typ != "" {
		options.WithType(jose.ContentType(typ))
	}
	return signedWith(t, alg, key, kid, options, claims)
}

func signedWith(t *testing.T, alg jose.SignatureAlgorithm, key any, kid string, options *jose.SignerOptions, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return signedPayload(t, alg, key, kid, options, payload)
}

func signedPayload(t *testing.T, alg jose.SignatureAlgorithm, key any, kid string, options *jose.SignerOptions, payload []byte) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, options)
	if err != nil {
		t.Fatal(err)
	}
	object, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := object.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// world is a table with an issuer of agents and one of people.
type world struct {
	clock          *clock
	agents, people *fakeIssuer
	path           string
}

const tableText = `issuers:
  - url: AGENTS
    kind: agent
    audiences: [sallyport, other-name-of-ours]
    algorithms: [ES256]
  - url: PEOPLE
    kind: person
    audiences: [sallyport]
    vote_audience: sallyport-approve
    algorithms: [ES256]
agents:
  - {id: deploy-bot, issuer: AGENTS, subject: deploy-bot, owner: alice, groups: [bots]}
people:
  - id: alice
    groups: [sre]
    accounts:
      - {issuer: PEOPLE, subject: alice}
  - id: bob
    groups: [sre, oncall]
    accounts:
      - {issuer: PEOPLE, subject: bob}
      - {issuer: PEOPLE, subject: b-4711}
`

func newWorld(t *testing.T) *world {
	t.Helper()
	c := newClock()
	w := &world{clock: c, agents: newIssuer(t, c), people: newIssuer(t, c), path: filepath.Join(t.TempDir(), "identities.yaml")}
	w.write(t, tableText)
	return w
}

// fill puts the issuers' addresses into a table.
func (w *world) fill(text string) string {
	return replaceAll(text, "AGENTS", w.agents.URL, "PEOPLE", w.people.URL)
}

// write replaces the table as editors do: by renaming.
func (w *world) write(t *testing.T, text string) {
	t.Helper()
	next := w.path + ".next"
	if err := os.WriteFile(next, []byte(w.fill(text)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, w.path); err != nil {
		t.Fatal(err)
	}
}

func (w *world) options(t *testing.T) oidc.Options {
	t.Helper()
	return oidc.Options{Table: w.path, Client: w.agents.Client(), Now: w.clock.Now, Logger: slog.New(slog.DiscardHandler)}
}

func (w *world) identities(t *testing.T) *oidc.Identities {
	t.Helper()
	i, err := oidc.New(t.Context(), w.options(t))
	if err != nil {
		t.Fatal(err)
	}
	return i
}
