package authz_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/temporal-server/authz"
)

const (
	api    = "system:serviceaccount:sallyport:sallyport-api"
	worker = "system:serviceaccount:sallyport:sallyport-worker"
)

// accounts are what Kubernetes says of service accounts, with keys in a file.
func accounts(t *testing.T, keys ...jose.JSONWebKey) *authz.Services {
	t.Helper()
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(file, set, 0o600); err != nil {
		t.Fatal(err)
	}
	return &authz.Services{
		JWKS: file, Issuer: "https://kubernetes.example", Audience: "temporal",
		Roles: map[string]authz.Role{api: authz.Gateway, worker: authz.Worker},
	}
}

// TestServiceAccounts shows tokens to a server that takes those of a cluster's
// service accounts.
func TestServiceAccounts(t *testing.T) {
	idp := newProvider(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	others := accounts(t, jose.JSONWebKey{KeyID: "k", Key: key.Public(), Algorithm: "ES256", Use: "sig"})
	verifier, err := authz.NewVerifier(idp.people(), newServices(t), others)
	if err != nil {
		t.Fatal(err)
	}
	as := func(subject string, change func(map[string]any)) func(map[string]any) {
		return func(c map[string]any) {
			c["iss"], c["sub"] = "https://kubernetes.example", subject
			if change != nil {
				change(c)
			}
		}
	}
	for name, test := range map[string]struct {
		reason, token string
		want          *authz.Caller
	}{
		"API":    {"it may start calls", token(t, jose.ES256, "k", key, as(api, nil)), &authz.Caller{Kind: authz.Service, Subject: "gateway", Role: authz.Gateway}},
		"Worker": {"it may take tasks", token(t, jose.ES256, "k", key, as(worker, nil)), &authz.Caller{Kind: authz.Service, Subject: "worker", Role: authz.Worker}},
		"OtherAccount": {
			"any pod of the cluster can get a token for any audience",
			token(t, jose.ES256, "k", key, as("system:serviceaccount:default:default", nil)), nil,
		},
		"SameAccountElsewhere": {
			"a user who may create a namespace can create accounts in it",
			token(t, jose.ES256, "k", key, as("system:serviceaccount:mine:sallyport-api", nil)), nil,
		},
		"OtherAudience": {
			"a token for the API server is for nothing here",
			token(t, jose.ES256, "k", key, as(api, func(c map[string]any) { c["aud"] = "https://kubernetes.example" })), nil,
		},
		"RoleByName":   {"a subject is no role", token(t, jose.ES256, "k", key, as("gateway", nil)), nil},
		"SignedByIDP":  {"people's provider makes no service accounts", token(t, jose.RS256, "r", idp.rsa, as(api, nil)), nil},
		"SignedForIDP": {"the cluster makes no people", token(t, jose.ES256, "k", key, nil), nil},
		"UnknownKeyID": {"a key that the cluster has not", token(t, jose.ES256, "z", key, as(api, nil)), nil},
		"Expired":      {"too old", token(t, jose.ES256, "k", key, as(api, func(c map[string]any) { c["exp"] = 1 })), nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := verifier.Caller(t.Context(), "Bearer "+test.token)
			if (err != nil) != (test.want == nil) || err != nil && sallyport.KindOf(err) != sallyport.Unauthenticated {
				t.Fatalf("%+v, %v: %s", got, err, test.reason)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s: %s", test.reason, diff)
			}
		})
	}
	if _, err := idp.verifier(t, newServices(t)).Caller(t.Context(), "Bearer "+token(t, jose.ES256, "k", key, as(api, nil))); err == nil {
		t.Error("a server that takes no service accounts took one")
	}
}

func TestNewVerifierRefusesServices(t *testing.T) {
	for name, change := range map[string]func(*authz.Services){
		"NoJWKS":       func(s *authz.Services) { s.JWKS = "" },
		"NoIssuer":     func(s *authz.Services) { s.Issuer = "" },
		"NoAudience":   func(s *authz.Services) { s.Audience = "" },
		"PeoplesOwn":   func(s *authz.Services) { s.Issuer = "https://idp.example" },
		"ServersOwn":   func(s *authz.Services) { s.Issuer = "urn:sallyport:services" },
		"APersonsRole": func(s *authz.Services) { s.Roles[api] = authz.Operator },
		"NoSubject":    func(s *authz.Services) { s.Roles[""] = authz.Worker },
	} {
		t.Run(name, func(t *testing.T) {
			others := accounts(t)
			change(others)
			if _, err := authz.NewVerifier(newProvider(t).people(), newServices(t), others); sallyport.KindOf(err) != sallyport.Invalid {
				t.Error(err)
			}
		})
	}
}
