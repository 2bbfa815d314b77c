package jws_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/jws"
	"github.com/sallyport/sallyport/strict"
)

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// raw signs any header and payload with the API's real key.
func raw(key ed25519.PrivateKey, header, payload string) string {
	input := b64(header) + "." + b64(payload)
	return input + "." + b64(string(ed25519.Sign(key, []byte(input))))
}

// forger has a genuine token, the key it was signed with, and another key.
type forger struct {
	kid, genuine, payload string
	key, other            ed25519.PrivateKey
	public                ed25519.PublicKey
}

func newForger(t *testing.T) (forger, *jws.Verifier) {
	t.Helper()
	public, private := newKey(t)
	_, other := newKey(t)
	kid, err := jws.KeyID(public)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := newSigner(t, private).SignCall(someCall())
	if err != nil {
		t.Fatal(err)
	}
	payload, err := strict.Canonical(someCall())
	if err != nil {
		t.Fatal(err)
	}
	f := forger{kid: kid, genuine: string(signed), payload: string(payload), key: private, other: other, public: public}
	return f, newVerifier(t, public)
}

func (f forger) header() string {
	return fmt.Sprintf(`{"alg":"EdDSA","kid":%q,"typ":"sallyport-call+jws"}`, f.kid)
}

func (f forger) part(i int) string { return strings.Split(f.genuine, ".")[i] }

// hmacToken is signed with the public key as if it were a shared secret.
func (f forger) hmacToken() string {
	input := b64(fmt.Sprintf(`{"alg":"HS256","kid":%q,"typ":"sallyport-call+jws"}`, f.kid)) + "." + f.part(1)
	m := hmac.New(sha256.New, f.public)
	m.Write([]byte(input))
	return input + "." + b64(string(m.Sum(nil)))
}

// malleable is the genuine token with its unused last bits set: the same
// bytes in another spelling.
func (f forger) malleable(t *testing.T) string {
	t.Helper()
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := f.genuine[len(f.genuine)-1]
	token := f.genuine[:len(f.genuine)-1] + string(alphabet[strings.IndexByte(alphabet, last)|1])
	if token == f.genuine {
		t.Fatal("the token has no unused bits")
	}
	return token
}

func (f forger) embedded(t *testing.T) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: f.other},
		(&jose.SignerOptions{EmbedJWK: true}).WithType("sallyport-call+jws"))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := s.Sign([]byte(f.payload))
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestForgedCalls(t *testing.T) {
	f, verifier := newForger(t)
	otherCall := strings.Replace(f.payload, `"replicas":5`, `"replicas":50`, 1)
	for name, tt := range map[string]struct{ reason, token string }{
		"Empty":            {"no signature is no call", ""},
		"None":             {"any sender can write an unsigned call", b64(`{"alg":"none"}`) + "." + f.part(1) + "."},
		"NoneWithHeader":   {"any sender can write an unsigned call", b64(strings.Replace(f.header(), "EdDSA", "none", 1)) + "." + f.part(1) + "."},
		"NoSignature":      {"the signature is what counts", f.part(0) + "." + f.part(1) + "."},
		"HMACWithPublic":   {"a public key is no secret", f.hmacToken()},
		"OtherKey":         {"the key is not the API's, whatever it says", raw(f.other, f.header(), f.payload)},
		"UnknownKid":       {"only named keys verify", raw(f.key, strings.Replace(f.header(), f.kid, "x", 1), f.payload)},
		"NoKid":            {"only named keys verify", raw(f.key, `{"alg":"EdDSA","typ":"sallyport-call+jws"}`, f.payload)},
		"VoteType":         {"a vote is no call", raw(f.key, strings.Replace(f.header(), "call", "vote", 1), f.payload)},
		"NoType":           {"a type is required", raw(f.key, fmt.Sprintf(`{"alg":"EdDSA","kid":%q}`, f.kid), f.payload)},
		"TamperedPayload":  {"the signature is over the payload", f.part(0) + "." + b64(otherCall) + "." + f.part(2)},
		"TrailingGarbage":  {"one call has one spelling", f.genuine + "A"},
		"TrailingPart":     {"a compact JWS has three parts", f.genuine + ".AAAA"},
		"TrailingNewline":  {"one call has one spelling", f.genuine + "\n"},
		"InnerNewline":     {"one call has one spelling", f.genuine[:9] + "\r\n" + f.genuine[9:]},
		"LeadingSpace":     {"one call has one spelling", " " + f.genuine},
		"Padding":          {"one call has one spelling", f.genuine + "=="},
		"UnusedBits":       {"one call has one spelling", f.malleable(t)},
		"Flattened":        {"JSON forms have unprotected headers", fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, f.part(1), f.part(0), f.part(2))},
		"General":          {"several signatures are none", fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, f.part(1), f.part(0), f.part(2))},
		"EmbeddedKey":      {"a token must not bring its own key", f.embedded(t)},
		"EmbeddedAndKid":   {"a token must not bring its own key", raw(f.key, strings.TrimSuffix(f.header(), "}")+`,"jwk":{"kty":"OKP","crv":"Ed25519","x":"`+b64(string(f.public))+`"}}`, f.payload)},
		"Crit":             {"we understand no extension", raw(f.key, strings.TrimSuffix(f.header(), "}")+`,"crit":["b64"],"b64":true}`, f.payload)},
		"UnencodedPayload": {"we understand no extension", raw(f.key, strings.TrimSuffix(f.header(), "}")+`,"crit":["b64"],"b64":false}`, f.payload)},
		"DuplicateHeader":  {"two readers could take two values", raw(f.key, strings.TrimSuffix(f.header(), "}")+`,"typ":"sallyport-call+jws"}`, f.payload)},
		"DuplicateMember":  {"two readers could take two values", raw(f.key, f.header(), strings.Replace(f.payload, `{"account"`, `{"tool":"other","account"`, 1))},
		"UnknownMember":    {"what we don't know may matter", raw(f.key, f.header(), strings.TrimSuffix(f.payload, "}")+`,"zone":"x"}`)},
		"NotCanonical":     {"one call has one spelling", raw(f.key, f.header(), strings.Replace(f.payload, `{"account"`, `{ "account"`, 1))},
		"NotCanonicalTime": {"one call has one spelling", raw(f.key, f.header(), strings.Replace(f.payload, `22:00:00.123456789Z`, `23:00:00.123456789+01:00`, 1))},
		"TrailingJSON":     {"the second value could be another call", raw(f.key, f.header(), f.payload+"{}")},
		"Incomplete":       {"the API signs whole calls", raw(f.key, f.header(), `{}`)},
		"Null":             {"the API signs calls", raw(f.key, f.header(), `null`)},
		"Huge":             {"we don't read without end", f.genuine + strings.Repeat("A", 1<<20)},
	} {
		t.Run(name, func(t *testing.T) {
			call, err := verifier.VerifyCall(sallyport.SignedCall(tt.token))
			if sallyport.KindOf(err) != sallyport.Denied {
				t.Fatalf("VerifyCall = %+v, %v; want it denied: %s", call, err, tt.reason)
			}
			if call.ID != "" || call.Arguments != nil {
				t.Errorf("a denied call came with content: %+v", call)
			}
		})
	}
	if _, err := verifier.VerifyCall(sallyport.SignedCall(raw(f.key, f.header(), f.payload))); err != nil {
		t.Fatalf("the forger's own signing is broken, and proves nothing: %v", err)
	}
}

func TestTypesDoNotMix(t *testing.T) {
	public, private := newKey(t)
	signer, verifier := newSigner(t, private), newVerifier(t, public)
	call, err := signer.SignCall(someCall())
	if err != nil {
		t.Fatal(err)
	}
	vote, err := signer.SignAttestation(someAttestation())
	if err != nil {
		t.Fatal(err)
	}
	if a, err := verifier.VerifyAttestation(string(call)); sallyport.KindOf(err) != sallyport.Denied {
		t.Errorf("a call passed for a vote: %+v, %v", a, err)
	}
	if c, err := verifier.VerifyCall(sallyport.SignedCall(vote)); sallyport.KindOf(err) != sallyport.Denied {
		t.Errorf("a vote passed for a call: %+v, %v", c, err)
	}
	payload, err := strict.Canonical(someAttestation())
	if err != nil {
		t.Fatal(err)
	}
	kid, err := jws.KeyID(public)
	if err != nil {
		t.Fatal(err)
	}
	genuine := fmt.Sprintf(`{"alg":"EdDSA","kid":%q,"typ":"sallyport-vote+jws"}`, kid)
	if _, err := verifier.VerifyAttestation(raw(private, genuine, string(payload))); err != nil {
		t.Fatal(err)
	}
	mixed := strings.Replace(genuine, "vote", "call", 1)
	if a, err := verifier.VerifyAttestation(raw(private, mixed, string(payload))); sallyport.KindOf(err) != sallyport.Denied {
		t.Errorf("a vote under a call's type: %+v, %v", a, err)
	}
}

func FuzzVerifyCall(f *testing.F) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		f.Fatal(err)
	}
	signer, err := jws.NewSigner(private)
	if err != nil {
		f.Fatal(err)
	}
	verifier, err := jws.NewVerifier(public)
	if err != nil {
		f.Fatal(err)
	}
	genuine, err := signer.SignCall(someCall())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(genuine))
	f.Add(strings.ToLower(string(genuine)))
	f.Add("e30.e30.")
	f.Fuzz(func(t *testing.T, token string) {
		_, err := verifier.VerifyCall(sallyport.SignedCall(token))
		if token == string(genuine) {
			if err != nil {
				t.Fatal(err)
			}
			return
		}
		if sallyport.KindOf(err) != sallyport.Denied {
			t.Fatalf("%q: %v", token, err)
		}
	})
}
