package workflowstest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/oidc"
	"github.com/sallyport/sallyport/sallyporttest"
)

// VoteAudience is whom ID tokens are for that are votes.
const VoteAudience = "sallyport-approve"

const identityTable = `issuers:
  - {url: "` + sallyporttest.PeopleIssuer + `", kind: person, audiences: [sallyport], vote_audience: ` + VoteAudience + `, jwks: people.json}
  - {url: "` + sallyporttest.AgentIssuer + `", kind: agent, audiences: [sallyport], jwks: agents.json}
`

// Provider is the identity provider of people, and the gateway's view of it:
// a real identity table with real keys, that ID tokens are verified by.
type Provider struct {
	*oidc.Identities

	T              testing.TB
	Now            func() time.Time
	People, Agents jose.JSONWebKey // with their private keys
}

func newProvider(t testing.TB, now func() time.Time) *Provider {
	t.Helper()
	dir := t.TempDir()
	p := &Provider{T: t, Now: now, People: newKey(t), Agents: newKey(t)}
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, key := range map[string]jose.JSONWebKey{"people.json": p.People, "agents.json": p.Agents} {
		data, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
		if err != nil {
			t.Fatal(err)
		}
		write(name, data)
	}
	write("identities.yaml", []byte(identityTable))
	var err error
	p.Identities, err = oidc.New(context.Background(), oidc.Options{
		Table: filepath.Join(dir, "identities.yaml"), Client: http.DefaultClient, Now: now, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newKey(t testing.TB) jose.JSONWebKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: key, KeyID: rand.Text(), Algorithm: string(jose.ES256), Use: "sig"}
}

// IDToken is an ID token by which a person votes, with changes to its claims;
// nil takes one away.
func (p *Provider) IDToken(person string, v sallyport.Verdict, ballot sallyport.Digest, changes map[string]any) string {
	p.T.Helper()
	now := p.Now()
	claims := map[string]any{
		"iss": sallyporttest.PeopleIssuer, "sub": person, "aud": VoteAudience, "nonce": sallyport.VoteNonce(v, ballot),
		"auth_time": now.Unix(), "iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return p.Sign(p.People, "JWT", claims)
}

// Sign signs claims with a key.
func (p *Provider) Sign(key jose.JSONWebKey, typ jose.ContentType, claims map[string]any) string {
	p.T.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithType(typ))
	if err != nil {
		p.T.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		p.T.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		p.T.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		p.T.Fatal(err)
	}
	return token
}
