package oidc_test

import (
	"crypto/ecdsa"
	"fmt"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport/sallyport"
)

func TestStartNeedsNoIssuer(t *testing.T) {
	w := newWorld(t)
	w.agents.change(func(i *fakeIssuer) { i.down = true })
	identities := w.identities(t)
	if n := w.agents.discoveries(); n != 0 {
		t.Errorf("start asked the issuer %d times", n)
	}
	token := w.agents.token(t, "deploy-bot", nil)
	_, err := identities.Identify(t.Context(), token)
	if sallyport.KindOf(err) != sallyport.Unavailable || sallyport.AsError(err).RetryAfter <= 0 {
		t.Fatalf("Identify while the issuer is down: %v; want it unavailable, with a time to retry", err)
	}
	w.agents.change(func(i *fakeIssuer) { i.down = false })
	if _, err := identities.Identify(t.Context(), token); err != nil {
		t.Errorf("Identify when the issuer is back: %v", err)
	}
	if _, err := identities.Identify(t.Context(), w.people.token(t, "bob", nil)); err != nil {
		t.Errorf("Identify by another issuer: %v", err)
	}
}

func TestOutageIsNotHammered(t *testing.T) {
	w := newWorld(t)
	w.agents.change(func(i *fakeIssuer) { i.down = true })
	identities := w.identities(t)
	token := w.agents.token(t, "deploy-bot", nil)
	for range 50 {
		if _, err := identities.Identify(t.Context(), token); sallyport.KindOf(err) != sallyport.Unavailable {
			t.Fatal(err)
		}
	}
	if n := w.agents.discoveries(); n > 3 {
		t.Errorf("50 requests asked an issuer that is down %d times", n)
	}
	w.agents.change(func(i *fakeIssuer) { i.down = false })
	w.clock.advance(10 * time.Second)
	if _, err := identities.Identify(t.Context(), token); err != nil {
		t.Errorf("Identify when the issuer is back: %v", err)
	}
}

func TestRotation(t *testing.T) {
	w := newWorld(t)
	identities := w.identities(t)
	old := w.agents.token(t, "deploy-bot", nil)
	if _, err := identities.Identify(t.Context(), old); err != nil {
		t.Fatal(err)
	}

	second := w.agents.addKey(t, "second")
	fresh := signed(t, jose.ES256, second, "second", "at+jwt", w.agents.claimsOf("deploy-bot", map[string]any{"exp": w.clock.Now().Unix() + 3600}))
	if _, err := identities.Identify(t.Context(), fresh); err != nil {
		t.Errorf("a token by the new key: %v", err)
	}
	if _, err := identities.Identify(t.Context(), old); err != nil {
		t.Errorf("a token by the old key, which is still published: %v", err)
	}

	w.agents.change(func(i *fakeIssuer) { delete(i.keys, "first") })
	w.clock.advance(10 * time.Minute)
	stale := signed(t, jose.ES256, second, "first", "at+jwt", w.agents.claimsOf("deploy-bot", nil))
	for name, token := range map[string]string{"genuine": old, "misnamed": stale} {
		if _, err := identities.Identify(t.Context(), token); sallyport.KindOf(err) != sallyport.Unauthenticated {
			t.Errorf("a %s token by a withdrawn key: %v", name, err)
		}
	}
	if _, err := identities.Identify(t.Context(), fresh); err != nil {
		t.Errorf("a token by the new key: %v", err)
	}
}

func TestCachedKeysOutliveAnOutage(t *testing.T) {
	w := newWorld(t)
	identities := w.identities(t)
	identify := func() error {
		_, err := identities.Identify(t.Context(), w.agents.token(t, "deploy-bot", nil))
		return err
	}
	if err := identify(); err != nil {
		t.Fatal(err)
	}
	w.agents.change(func(i *fakeIssuer) { i.down = true })
	for range 5 { // 55 minutes
		w.clock.advance(11 * time.Minute)
		if err := identify(); err != nil {
			t.Errorf("after an outage of minutes: %v", err)
		}
	}
	w.clock.advance(11 * time.Minute)
	if err := identify(); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("after an outage of more than an hour: %v", err)
	}
	w.agents.change(func(i *fakeIssuer) { i.down = false })
	w.clock.advance(time.Minute)
	if err := identify(); err != nil {
		t.Errorf("when the issuer is back: %v", err)
	}
}

func TestKeyIDFlood(t *testing.T) {
	w := newWorld(t)
	identities := w.identities(t)
	genuine := w.agents.token(t, "deploy-bot", nil)
	if _, err := identities.Identify(t.Context(), genuine); err != nil {
		t.Fatal(err)
	}
	forger := newECKey(t)
	claims := w.agents.claimsOf("deploy-bot", nil)
	forge := func(key *ecdsa.PrivateKey, kid string) error {
		_, err := identities.Identify(t.Context(), signed(t, jose.ES256, key, kid, "at+jwt", claims))
		if err == nil {
			t.Fatal("a forged token was believed")
		}
		return err
	}
	for n := range 200 {
		_ = forge(forger, fmt.Sprint("bogus-", n)) // any refusal will do
		_ = forge(forger, "first")
		if _, err := identities.Identify(t.Context(), genuine); err != nil {
			t.Fatalf("a genuine token amid forged ones: %v", err)
		}
	}
	if n := w.agents.fetches(); n > 3 {
		t.Errorf("400 forged tokens caused %d fetches of keys", n)
	}
	if err := forge(forger, "bogus-0"); sallyport.KindOf(err) != sallyport.Unauthenticated {
		t.Errorf("a key id that the issuer is known not to have: %v", err)
	}
	if err := forge(forger, "bogus-199"); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("a key id that no fetch looked for yet: %v; want unavailable, as it may be genuine", err)
	}
	w.clock.advance(11 * time.Second)
	if err := forge(forger, "bogus-199"); sallyport.KindOf(err) != sallyport.Unauthenticated {
		t.Errorf("a key id that the issuer was asked for: %v", err)
	}
}

func TestBadDiscovery(t *testing.T) {
	for name, tt := range map[string]struct {
		reason   string
		metadata map[string]any
	}{
		"OtherIssuer": {"the document is of another issuer", map[string]any{"issuer": "https://evil.example.com"}},
		"PlainHTTP":   {"plain http does not authenticate the issuer", map[string]any{"jwks_uri": "http://keys.example.com/jwks"}},
		"Localhost":   {"a resolver decides where a name leads", map[string]any{"jwks_uri": "http://localhost/jwks"}},
		"File":        {"keys come from the issuer", map[string]any{"jwks_uri": "file:///etc/passwd"}},
		"NoKeys":      {"there is nothing to verify with", map[string]any{"jwks_uri": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.agents.change(func(i *fakeIssuer) { i.metadata = tt.metadata })
			_, err := w.identities(t).Identify(t.Context(), w.agents.token(t, "deploy-bot", nil))
			if sallyport.KindOf(err) != sallyport.Unavailable {
				t.Errorf("Identify: %v; want it unavailable: %s", err, tt.reason)
			}
		})
	}
	t.Run("Redirect", func(t *testing.T) {
		w := newWorld(t)
		w.agents.change(func(i *fakeIssuer) { i.metadata = map[string]any{"jwks_uri": i.URL + "/moved"} })
		_, err := w.identities(t).Identify(t.Context(), w.agents.token(t, "deploy-bot", nil))
		if sallyport.KindOf(err) != sallyport.Unavailable || w.agents.fetches() != 0 {
			t.Errorf("Identify: %v, %d fetches; a redirect could lead anywhere", err, w.agents.fetches())
		}
	})
}
