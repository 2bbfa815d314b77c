package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/cmd/internal/cli"
)

const people = "https://people.example"

// TestVerifyNamesTheKeysOfVotes: the holder of the ledger's key can make a key for
// votes too, and sign with it in the name of any person. A verification says on
// whose word the key is the identity provider's.
func TestVerifyNamesTheKeysOfVotes(t *testing.T) {
	forged, other := newVoteKey(t), newVoteKey(t)
	l, public := openLedger(t)
	ballot := ask(t, l, 1, func(_ *sallyport.Intent, _ *sallyport.Plan, b *sallyport.Ballot) {
		b.Terms.Evidence = []sallyport.EvidenceClass{sallyport.IDPSigned}
	})
	at := ballot.OpenedAt.Add(time.Minute)
	vote := sallyport.Vote{
		Ballot: ballot.Digest(), Person: "bob", Groups: []string{"sre"}, Verdict: sallyport.Reject, At: at, Key: jwk(t, forged.Public()),
		Account:  sallyport.Account{Issuer: people, Subject: "bob"},
		Evidence: sallyport.Evidence{Class: sallyport.IDPSigned, Token: voteToken(t, forged, ballot.Digest(), at)},
	}
	if _, err := l.Record(t.Context(), sallyport.Entry{CallID: ballot.CallID, Kind: sallyport.EntryVote, Key: "bob", At: at, Vote: &vote}); err != nil {
		t.Fatal(err)
	}
	proof, err := l.Prove(t.Context(), ballot.CallID, true)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	proofFile := file("proof.json", proof)
	const (
		provider = "the identity provider signed it, with one of the keys that you gave"
		logs     = "its ID token is signed, with a key for which the log alone vouches"
		limit    = "that the identity provider signed the votes of the class idp-signed"
	)
	for name, tt := range map[string]struct {
		reason    string
		flags     []string
		want, not []string
	}{
		"NoKeys":     {"any key will do", nil, []string{logs, limit}, []string{"identity provider signed it"}},
		"IssuerOnly": {"the maker of the key writes the issuer's name as well", []string{"--people-issuer", people}, []string{logs, limit}, []string{"identity provider signed it"}},
		"Keys":       {"the key is the provider's", []string{"--people-keys", file("own.jwks", jwks(t, forged))}, []string{provider}, []string{limit, logs}},
		"OtherKeys":  {"the key is not the provider's", []string{"--people-keys", file("other.jwks", jwks(t, other))}, []string{"NOT PROVEN"}, []string{provider}},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			cli.Run(command(), append([]string{"verify", proofFile, "--key", public}, tt.flags...), strings.NewReader(""), &out, &out)
			proves, not, _ := strings.Cut(out.String(), "It does not prove\n")
			for _, want := range tt.want {
				if in := map[bool]string{true: not, false: proves}[want == limit]; !strings.Contains(in, want) {
					t.Errorf("%s, and it does not say %q:\n%s", tt.reason, want, &out)
				}
			}
			for _, bad := range tt.not {
				if strings.Contains(out.String(), bad) {
					t.Errorf("%s, and it says %q:\n%s", tt.reason, bad, &out)
				}
			}
		})
	}
}

func newVoteKey(t *testing.T) jose.JSONWebKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: key, KeyID: "1", Algorithm: string(jose.ES256), Use: "sig"}
}

func jwk(t *testing.T, key jose.JSONWebKey) json.RawMessage {
	t.Helper()
	b, err := key.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func jwks(t *testing.T, key jose.JSONWebKey) []byte {
	t.Helper()
	return []byte(`{"keys":[` + string(jwk(t, key.Public())) + `]}`)
}

// voteToken is an ID token that rejects a ballot as bob.
func voteToken(t *testing.T, key jose.JSONWebKey, ballot sallyport.Digest, at time.Time) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{
		"iss": people, "sub": "bob", "aud": cli.VoteClient, "nonce": sallyport.VoteNonce(sallyport.Reject, ballot),
		"iat": at.Unix(), "exp": at.Add(time.Minute).Unix(), "auth_time": at.Unix(),
	}
	signed, err := signer.Sign([]byte(encode(claims)))
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}
