package oidc_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/oidc"
	"github.com/sallyport/sallyport/sallyporttest"
)

func replaceAll(text string, pairs ...string) string {
	return strings.NewReplacer(pairs...).Replace(text)
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func TestContract(t *testing.T) {
	sallyporttest.TestIdentities(t, func(t *testing.T) sallyporttest.IdentitySubject {
		t.Helper()
		w := newWorld(t)
		identities := w.identities(t)
		forged := map[string]string{}
		for name, f := range forgeries(t, w) {
			forged[name] = f.token
		}
		return sallyporttest.IdentitySubject{
			Identifier: identities,
			Directory:  identities,
			AgentToken: w.agents.token(t, "deploy-bot", nil),
			Agent: sallyport.Agent{
				ID: "deploy-bot", Owner: "alice", Groups: []string{"bots"},
				Account: sallyport.Account{Issuer: w.agents.URL, Subject: "deploy-bot"},
			},
			PersonTokens: map[sallyport.Account]string{
				{Issuer: w.people.URL, Subject: "bob"}:    w.people.token(t, "bob", nil),
				{Issuer: w.people.URL, Subject: "b-4711"}: w.people.token(t, "b-4711", nil),
			},
			Person:   sallyport.Person{ID: "bob", Groups: []string{"sre", "oncall"}},
			Stranger: w.people.token(t, "mallory", nil),
			Forged:   forged,
			Outage:   func() { w.agents.change(func(i *fakeIssuer) { i.down = true }) },
		}
	})
}

type forgery struct{ reason, token string }

// forgeries are tokens that must not be believed. Few of them name keys that
// the issuer does not have, since those are rationed.
func forgeries(t *testing.T, w *world) map[string]forgery {
	t.Helper()
	a := w.agents
	key, now := a.keys["first"], w.clock.Now().Unix()
	genuine := a.token(t, "deploy-bot", nil)
	parts := strings.Split(genuine, ".")
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	hs256 := b64(`{"alg":"HS256","kid":"first","typ":"JWT"}`) + "." + parts[1]
	mac := hmac.New(sha256.New, der)
	mac.Write([]byte(hs256))
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	with := func(name string, value any) string {
		return a.token(t, "deploy-bot", map[string]any{name: value})
	}
	typed := func(typ string) string {
		return signed(t, jose.ES256, key, "first", typ, a.claimsOf("deploy-bot", nil))
	}
	raw := func(payload string) string {
		return signedPayload(t, jose.ES256, key, "first", &jose.SignerOptions{}, []byte(payload))
	}
	claims, err := json.Marshal(a.claimsOf("deploy-bot", nil))
	if err != nil {
		t.Fatal(err)
	}
	headed := func(name jose.HeaderKey, value any) string {
		return signedWith(t, jose.ES256, key, "first", (&jose.SignerOptions{}).WithHeader(name, value), a.claimsOf("deploy-bot", nil))
	}
	return map[string]forgery{
		"None":              {"any sender can write an unsigned token", b64(`{"alg":"none"}`) + "." + parts[1] + "."},
		"NoneWithKid":       {"any sender can write an unsigned token", b64(`{"alg":"none","kid":"first"}`) + "." + parts[1] + "." + parts[2]},
		"HMACWithPublic":    {"a public key is no secret", hs256 + "." + b64(string(mac.Sum(nil)))},
		"OtherAlgorithm":    {"the table says which algorithms", signed(t, jose.RS256, rsaKey, "first", "JWT", a.claimsOf("deploy-bot", nil))},
		"OtherKey":          {"the key is not the issuer's, whatever it says", signed(t, jose.ES256, newECKey(t), "first", "JWT", a.claimsOf("deploy-bot", nil))},
		"UnknownKid":        {"only published keys count", signed(t, jose.ES256, newECKey(t), "second", "JWT", a.claimsOf("deploy-bot", nil))},
		"EmbeddedKey":       {"a token must not bring its own key", signedWith(t, jose.ES256, newECKey(t), "", (&jose.SignerOptions{EmbedJWK: true}).WithType("JWT"), a.claimsOf("deploy-bot", nil))},
		"KeyURL":            {"a token must not say where its key is", headed("jku", "https://example.com/keys")},
		"Critical":          {"we know no extension", headed("crit", []string{"exp"})},
		"Tampered":          {"the signature is over the claims", parts[0] + "." + b64(strings.Replace(string(claims), "deploy-bot", "triage-bot", 1)) + "." + parts[2]},
		"JSONForm":          {"only the compact form is for headers", fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, parts[1], parts[0], parts[2])},
		"FourParts":         {"it is no JWS", genuine + ".x"},
		"OtherIssuer":       {"each issuer signs for itself", with("iss", w.people.URL)},
		"UnknownIssuer":     {"the table says who may vouch", with("iss", "https://evil.example.com")},
		"IssuerSlash":       {"issuers are compared exactly", with("iss", a.URL+"/")},
		"NoIssuer":          {"a token names its issuer", with("iss", nil)},
		"OtherAudience":     {"it was issued for another service", with("aud", "temporal")},
		"Audiences":         {"none of them means us", with("aud", []string{"temporal", "sallyport2"})},
		"NoAudience":        {"a token names the service that it is for", with("aud", nil)},
		"AudienceNumber":    {"an audience is a string", with("aud", 7)},
		"Expired":           {"it is over", a.token(t, "deploy-bot", map[string]any{"iat": now - 600, "exp": now - 60})},
		"NoExpiry":          {"it would be valid for ever", with("exp", nil)},
		"ExpiryString":      {"a date is a number", with("exp", "9999999999")},
		"ExpiryFar":         {"no date overflows into one that is valid", with("exp", 1e300)},
		"ExpiryBeforeIat":   {"it was never valid", a.token(t, "deploy-bot", map[string]any{"iat": now + 5, "exp": now + 4})},
		"NotYet":            {"it is not valid yet", with("nbf", now+120)},
		"NotYetNegative":    {"that is no date", with("nbf", -1)},
		"FutureIssue":       {"a token from the future was not issued", a.token(t, "deploy-bot", map[string]any{"iat": now + 300, "nbf": now, "exp": now + 600})},
		"NoIssueTime":       {"we could not tell how old it is", with("iat", nil)},
		"TooOld":            {"the table says how old a token may be", a.token(t, "deploy-bot", map[string]any{"iat": now - 2*3600, "exp": now + 3600})},
		"NoSubject":         {"a token names its subject", with("sub", nil)},
		"EmptySubject":      {"a token names its subject", with("sub", "")},
		"SubjectNumber":     {"a subject is a string", with("sub", 7)},
		"LongSubject":       {"no subject is that long", with("sub", strings.Repeat("a", 256))},
		"UnknownSubject":    {"the table lists all agents", with("sub", "other-bot")},
		"OtherCase":         {"subjects are compared exactly", with("sub", "Deploy-Bot")},
		"PersonsSubject":    {"an issuer of agents yields no person", with("sub", "bob")},
		"SubjectAlias":      {"claims are case-sensitive", a.token(t, "deploy-bot", map[string]any{"sub": nil, "SUB": "deploy-bot"})},
		"DuplicateSubject":  {"two readers could take two values", raw(strings.TrimSuffix(string(claims), "}") + `,"sub":"triage-bot"}`)},
		"TrailingJSON":      {"the second value could be another token", raw(string(claims) + "{}")},
		"NotAnObject":       {"claims are an object", raw(`["deploy-bot"]`)},
		"LogoutToken":       {"it was signed for another purpose", typed("logout+jwt")},
		"ProofOfPossession": {"it was signed for another purpose", typed("dpop+jwt")},
		"OwnSignature":      {"what we sign is no identity", typed("sallyport-vote+jws")},
		"Newline":           {"one token has one spelling", genuine + "\n"},
		"Padding":           {"one token has one spelling", genuine + "=="},
		"Huge":              {"we don't read without end", a.token(t, "deploy-bot", map[string]any{"filler": strings.Repeat("x", 20000)})},
	}
}

func TestForgeries(t *testing.T) {
	w := newWorld(t)
	identities := w.identities(t)
	if _, err := identities.Identify(t.Context(), w.agents.token(t, "deploy-bot", nil)); err != nil {
		t.Fatalf("the genuine token is refused, so the forged ones prove nothing: %v", err)
	}
	for name, tt := range forgeries(t, w) {
		t.Run(name, func(t *testing.T) {
			who, err := identities.Identify(t.Context(), tt.token)
			if sallyport.KindOf(err) != sallyport.Unauthenticated {
				t.Fatalf("Identify = %+v, %v; want it refused: %s", who, err, tt.reason)
			}
			if who != (sallyport.Identity{}) {
				t.Errorf("a refusal came with an identity: %+v", who)
			}
		})
	}
}

func TestAccepted(t *testing.T) {
	w := newWorld(t)
	identities := w.identities(t)
	a, now := w.agents, w.clock.Now().Unix()
	typed := func(typ string) string {
		return signed(t, jose.ES256, a.keys["first"], "first", typ, a.claimsOf("deploy-bot", nil))
	}
	for name, tt := range map[string]struct{ reason, token string }{
		"AccessToken":    {"RFC 9068", typed("at+jwt")},
		"LongType":       {"RFC 9068 allows the full media type", typed("application/at+jwt")},
		"JWT":            {"most providers write this", typed("JWT")},
		"NoType":         {"Kubernetes writes none", typed("")},
		"NoKid":          {"the issuer has one key", signed(t, jose.ES256, a.keys["first"], "", "JWT", a.claimsOf("deploy-bot", nil))},
		"SecondAudience": {"an issuer may know us by several names", a.token(t, "deploy-bot", map[string]any{"aud": "other-name-of-ours"})},
		"Audiences":      {"one of them means us", a.token(t, "deploy-bot", map[string]any{"aud": []string{"temporal", "sallyport"}})},
		"SlowClock":      {"clocks differ by seconds", a.token(t, "deploy-bot", map[string]any{"iat": now + 5, "nbf": now + 5})},
		"JustExpired":    {"clocks differ by seconds", a.token(t, "deploy-bot", map[string]any{"exp": now - 5, "iat": now - 60})},
		"Fraction":       {"dates may have fractions", a.token(t, "deploy-bot", map[string]any{"exp": float64(now) + 0.5, "iat": float64(now) - 0.5})},
		"OtherClaims":    {"issuers say more than we ask", a.token(t, "deploy-bot", map[string]any{"kubernetes.io": map[string]any{"namespace": "x"}})},
	} {
		t.Run(name, func(t *testing.T) {
			who, err := identities.Identify(t.Context(), tt.token)
			if err != nil || who.Agent == nil || who.Agent.ID != "deploy-bot" {
				t.Errorf("Identify = %+v, %v; want deploy-bot: %s", who, err, tt.reason)
			}
		})
	}
}

func TestClaimsGrantNothing(t *testing.T) {
	w := newWorld(t)
	who, err := w.identities(t).Identify(t.Context(), w.agents.token(t, "deploy-bot", map[string]any{
		"groups": []string{"sre"}, "roles": []string{"admin"}, "person": "bob", "owner": "bob", "email": "bob@example.com",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if who.Person != nil || who.Agent == nil || who.Agent.Owner != "alice" || strings.Join(who.Agent.Groups, ",") != "bots" {
		t.Errorf("Identify = %+v %+v; want what the table says", who.Agent, who.Person)
	}
}

func TestNewRefusesMissingOptions(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]func(*oidc.Options){
		"Table":  func(o *oidc.Options) { o.Table = "" },
		"Client": func(o *oidc.Options) { o.Client = nil },
		"Now":    func(o *oidc.Options) { o.Now = nil },
		"Logger": func(o *oidc.Options) { o.Logger = nil },
	} {
		opts := w.options(t)
		change(&opts)
		if _, err := oidc.New(t.Context(), opts); err == nil {
			t.Errorf("New without %s succeeded", name)
		}
	}
}

// A client that has no token is sent to the issuers of agents, and to no other.
func TestIssuers(t *testing.T) {
	w := newWorld(t)
	got := w.identities(t).Issuers(oidc.KindAgent)
	if len(got) != 1 || got[0] != w.agents.URL {
		t.Errorf("%q", got)
	}
}
