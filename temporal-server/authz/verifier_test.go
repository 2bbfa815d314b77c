package authz_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/temporal-server/authz"
)

// provider is an identity provider as far as keys go.
type provider struct {
	url     string
	rsa     *rsa.PrivateKey
	ecdsa   *ecdsa.PrivateKey
	fetches atomic.Int32
	down    atomic.Bool
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{}
	var err error
	if p.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	if p.ecdsa, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

func (p *provider) serve(w http.ResponseWriter, _ *http.Request) {
	p.fetches.Add(1)
	if p.down.Load() {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{KeyID: "r", Key: p.rsa.Public(), Algorithm: "RS256", Use: "sig"},
		{KeyID: "e", Key: p.ecdsa.Public(), Algorithm: "ES256", Use: "sig"},
		{KeyID: "enc", Key: p.rsa.Public(), Use: "enc"},
		{KeyID: "sym", Key: []byte("0123456789abcdef0123456789abcdef")},
	}})
}

func (p *provider) verifier(t *testing.T, services *authz.ServiceTokens) *authz.Verifier {
	t.Helper()
	v, err := authz.NewVerifier(p.people(), services, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (p *provider) people() authz.People {
	return authz.People{JWKS: p.url, Issuer: "https://idp.example", Audience: "temporal", Role: func(subject string) authz.Role {
		return map[string]authz.Role{"bob": authz.Approver}[subject]
	}, Agent: func(client string) bool { return client == "deploy-bot" }}
}

// token signs claims as bob's would be, changed by change.
func token(t *testing.T, alg jose.SignatureAlgorithm, kid string, key any, change func(map[string]any)) string {
	t.Helper()
	claims := map[string]any{
		"iss": "https://idp.example", "aud": "temporal", "sub": "bob",
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
	if change != nil {
		change(claims)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", kid))
	if err != nil {
		t.Fatal(err)
	}
	s, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCaller(t *testing.T) {
	idp := newProvider(t)
	services := newServices(t)
	verifier := idp.verifier(t, services)
	gateway, err := services.Token(authz.Gateway)
	if err != nil {
		t.Fatal(err)
	}
	bob := func(change func(map[string]any)) string { return token(t, jose.RS256, "r", idp.rsa, change) }

	for name, test := range map[string]struct {
		header string
		want   authz.Caller
	}{
		"RS256":        {"Bearer " + bob(nil), authz.Caller{Kind: authz.Person, Subject: "bob", Role: authz.Approver}},
		"ES256":        {"Bearer " + token(t, jose.ES256, "e", idp.ecdsa, nil), authz.Caller{Kind: authz.Person, Subject: "bob", Role: authz.Approver}},
		"Lowercase":    {"bearer " + bob(nil), authz.Caller{Kind: authz.Person, Subject: "bob", Role: authz.Approver}},
		"TwoAudiences": {"Bearer " + bob(func(c map[string]any) { c["aud"] = []string{"x", "temporal"} }), authz.Caller{Kind: authz.Person, Subject: "bob", Role: authz.Approver}},
		"PublicClient": {"Bearer " + bob(func(c map[string]any) { c["azp"], c["client_id"] = "temporal-ui", "temporal-ui" }), authz.Caller{Kind: authz.Person, Subject: "bob", Role: authz.Approver}},
		"MayAct":       {"Bearer " + bob(func(c map[string]any) { c["may_act"] = map[string]any{"sub": "deploy-bot"} }), authz.Caller{Kind: authz.Person, Subject: "bob", Role: authz.Approver}},
		"Stranger":     {"Bearer " + bob(func(c map[string]any) { c["sub"] = "mallory" }), authz.Caller{Kind: authz.Person, Subject: "mallory", Role: authz.None}},
		"NamedGateway": {"Bearer " + bob(func(c map[string]any) { c["sub"] = "gateway" }), authz.Caller{Kind: authz.Person, Subject: "gateway", Role: authz.None}},
		"Gateway":      {"Bearer " + gateway, authz.Caller{Kind: authz.Service, Subject: "gateway", Role: authz.Gateway}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := verifier.Caller(t.Context(), test.header)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, *got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCallerRefuses(t *testing.T) {
	idp := newProvider(t)
	services, others := newServices(t), newServices(t)
	verifier := idp.verifier(t, services)
	foreign, err := others.Token(authz.Gateway)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rs := func(change func(map[string]any)) string { return token(t, jose.RS256, "r", idp.rsa, change) }
	set := func(name string, value any) string { return rs(func(c map[string]any) { c[name] = value }) }
	public, err := json.Marshal(jose.JSONWebKey{Key: idp.rsa.Public()})
	if err != nil {
		t.Fatal(err)
	}
	good := rs(nil)
	parts := strings.Split(good, ".")
	hour := time.Hour.Seconds()
	now := float64(time.Now().Unix())

	for name, test := range map[string]struct{ reason, header string }{
		"Empty":          {"no header", ""},
		"NoScheme":       {"a bare token", good},
		"Basic":          {"another scheme", "Basic " + good},
		"Garbage":        {"no JWT", "Bearer x.y.z"},
		"Long":           {"no token is that long", "Bearer " + good + strings.Repeat("A", 20_000)},
		"Unsigned":       {"the signature is cut off", "Bearer " + parts[0] + "." + parts[1] + "."},
		"None":           {"alg none", "Bearer eyJhbGciOiJub25lIn0." + parts[1] + "."},
		"HS256":          {"the public key as a shared secret", "Bearer " + token(t, jose.HS256, "r", public, nil)},
		"Symmetric":      {"a shared secret in the key set", "Bearer " + token(t, jose.HS256, "sym", []byte("0123456789abcdef0123456789abcdef"), nil)},
		"RS512":          {"an algorithm that was not agreed on", "Bearer " + token(t, jose.RS512, "r", idp.rsa, nil)},
		"OtherKey":       {"another key signed it", "Bearer " + token(t, jose.RS256, "r", stranger, nil)},
		"UnknownKey":     {"a key id that is not there", "Bearer " + token(t, jose.RS256, "z", stranger, nil)},
		"NoKeyID":        {"no key id", "Bearer " + token(t, jose.RS256, "", idp.rsa, nil)},
		"EncryptionKey":  {"a key that is not for signatures", "Bearer " + token(t, jose.RS256, "enc", idp.rsa, nil)},
		"WrongKeyType":   {"an RSA key under another key's id", "Bearer " + token(t, jose.RS256, "e", idp.rsa, nil)},
		"OtherIssuer":    {"another provider", "Bearer " + set("iss", "https://idp.example/")},
		"NoIssuer":       {"a token names its issuer", "Bearer " + rs(func(c map[string]any) { delete(c, "iss") })},
		"OtherAudience":  {"an ID token of the UI, or a token for the API", "Bearer " + set("aud", "temporal-ui")},
		"NoAudience":     {"a token names its audience", "Bearer " + rs(func(c map[string]any) { delete(c, "aud") })},
		"Expired":        {"too old", "Bearer " + set("exp", now-hour)},
		"NoExpiry":       {"for ever", "Bearer " + rs(func(c map[string]any) { delete(c, "exp") })},
		"FromTheFuture":  {"issued in an hour", "Bearer " + set("iat", now+hour)},
		"NotYet":         {"valid in an hour", "Bearer " + set("nbf", now+hour)},
		"NoSubject":      {"a token names its subject", "Bearer " + rs(func(c map[string]any) { delete(c, "sub") })},
		"NumericSubject": {"a subject is a string", "Bearer " + set("sub", 7)},
		"Actor":          {"an agent acts for bob", "Bearer " + set("act", map[string]any{"sub": "deploy-bot"})},
		"ActorIsBob":     {"another token than bob's own", "Bearer " + set("act", map[string]any{"sub": "bob"})},
		"ActorNull":      {"an actor that can't be read", "Bearer " + set("act", nil)},
		"ActorText":      {"an actor that can't be read", "Bearer " + set("act", "deploy-bot")},
		"ActorList":      {"an actor that can't be read", "Bearer " + set("act", []string{})},
		"AgentsClient":   {"it was issued to an agent", "Bearer " + set("client_id", "deploy-bot")},
		"AgentsParty":    {"it was issued to an agent", "Bearer " + set("azp", "deploy-bot")},
		"PartyList":      {"a client that can't be read", "Bearer " + set("azp", []string{"deploy-bot"})},
		"ForeignService": {"another server's service token", "Bearer " + foreign},
		"ServiceByIDP":   {"the provider can't make services", "Bearer " + set("iss", "urn:sallyport:services")},
		"ServiceByTheLook": {"nor with all claims right", "Bearer " + rs(func(c map[string]any) {
			c["iss"], c["aud"], c["sub"] = "urn:sallyport:services", "urn:sallyport:temporal", "gateway"
		})},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := verifier.Caller(t.Context(), test.header)
			if err == nil {
				t.Fatalf("%+v came in (%s)", got, test.reason)
			}
			if sallyport.KindOf(err) != sallyport.Unauthenticated {
				t.Errorf("kind %s: %v", sallyport.KindOf(err), err)
			}
		})
	}
}

func TestKeysAreNotFetchedForEveryForgery(t *testing.T) {
	idp := newProvider(t)
	verifier := idp.verifier(t, newServices(t))
	for range 50 {
		if _, err := verifier.Caller(t.Context(), "Bearer "+token(t, jose.ES256, "made-up", idp.ecdsa, nil)); err == nil {
			t.Fatal("a made-up key id came in")
		}
	}
	if n := idp.fetches.Load(); n != 1 {
		t.Errorf("%d fetches", n)
	}
	if _, err := verifier.Caller(t.Context(), "Bearer "+token(t, jose.ES256, "e", idp.ecdsa, nil)); err != nil {
		t.Errorf("forgeries kept bob out: %v", err)
	}
}

func TestKnownKeysOutliveTheProvider(t *testing.T) {
	idp := newProvider(t)
	verifier := idp.verifier(t, newServices(t))
	header := "Bearer " + token(t, jose.ES256, "e", idp.ecdsa, nil)
	idp.down.Store(true)
	if _, err := verifier.Caller(t.Context(), header); err == nil {
		t.Fatal("bob came in without a key")
	}
	idp.down.Store(false)
	verifier = idp.verifier(t, newServices(t))
	if _, err := verifier.Caller(t.Context(), header); err != nil {
		t.Fatal(err)
	}
	idp.down.Store(true)
	if _, err := verifier.Caller(t.Context(), header); err != nil {
		t.Errorf("with the provider down: %v", err)
	}
}

func TestServiceTokens(t *testing.T) {
	services := newServices(t)
	for _, role := range []authz.Role{authz.None, authz.Approver, authz.Operator, authz.Reader, "admin"} {
		if _, err := services.Token(role); err == nil {
			t.Errorf("a service got role %q", role)
		}
	}
	headers, err := services.Source(authz.Worker).GetHeaders(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	caller, err := newProvider(t).verifier(t, services).Caller(t.Context(), headers["authorization"])
	if err != nil {
		t.Fatal(err)
	}
	if caller.Role != authz.Worker || caller.Kind != authz.Service {
		t.Errorf("%+v", caller)
	}
	failing := authz.TokenSource(func(context.Context) (string, error) { return "", context.Canceled })
	if _, err := failing.GetHeaders(t.Context()); err == nil {
		t.Error("a source that fails gave headers")
	}
}

func TestNewVerifierRefuses(t *testing.T) {
	services := newServices(t)
	for name, change := range map[string]func(*authz.People){
		"NoJWKS":        func(p *authz.People) { p.JWKS = "" },
		"NoIssuer":      func(p *authz.People) { p.Issuer = "" },
		"NoAudience":    func(p *authz.People) { p.Audience = "" },
		"NoRoles":       func(p *authz.People) { p.Role = nil },
		"NoAgents":      func(p *authz.People) { p.Agent = nil },
		"ServiceIssuer": func(p *authz.People) { p.Issuer = "urn:sallyport:services" },
	} {
		people := newProvider(t).people()
		change(&people)
		if _, err := authz.NewVerifier(people, services, nil); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := authz.NewVerifier(newProvider(t).people(), nil, nil); err == nil {
		t.Error("no services")
	}
}

func newServices(t *testing.T) *authz.ServiceTokens {
	t.Helper()
	s, err := authz.NewServiceTokens()
	if err != nil {
		t.Fatal(err)
	}
	return s
}
