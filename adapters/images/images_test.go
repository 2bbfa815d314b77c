package images_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/images"
)

func newVerifier(t *testing.T, o images.Options) *images.Verifier {
	t.Helper()
	v, err := images.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestGoodSignatures: each kind of signature that cosign makes with a key counts.
func TestGoodSignatures(t *testing.T) {
	keys := map[string]signer{
		"P256":         p256(t),
		"P384":         ec(t, elliptic.P384(), crypto.SHA384),
		"P384ByOld256": ec(t, elliptic.P384(), crypto.SHA256),
		"Ed25519":      ed(t),
	}
	forms := map[string]func(*testing.T, *shop, signer){
		"Bundle":                func(t *testing.T, s *shop, k signer) { s.refer(t, signType, k.signed(t, s.image)) },
		"BundleThatSaysNothing": func(t *testing.T, s *shop, k signer) { s.refer(t, "", k.signed(t, s.image)) },
		"Simple": func(t *testing.T, s *shop, k signer) {
			s.label(t, k.simple(t, payload(s.image, s.image.Context().Name())))
		},
		"SimpleOfAnotherName": func(t *testing.T, s *shop, k signer) {
			s.label(t, k.simple(t, payload(s.image, "registry.example.com/before/it/was/mirrored")))
		},
		"AfterOthers": func(t *testing.T, s *shop, k signer) {
			s.refer(t, signType, p256(t).signed(t, s.image))
			s.refer(t, signType, k.signed(t, s.image))
			s.label(t, p256(t).simple(t, payload(s.image, "x")))
		},
		"BesideWorseOfTheOtherForm": func(t *testing.T, s *shop, k signer) {
			s.refer(t, signType, []byte("{"))
			s.label(t, layer{data: []byte("{"), mediaType: simpleType}, k.simple(t, payload(s.image, "x")))
		},
	}
	for keyName, k := range keys {
		for form, attach := range forms {
			for api, referrers := range map[string]bool{"Referrers": true, "FallbackTag": false} {
				t.Run(keyName+"/"+form+"/"+api, func(t *testing.T) {
					s := newShop(t, referrers)
					attach(t, s, k)
					v := newVerifier(t, images.Options{Keys: []string{p256(t).pem(t), k.pem(t)}})
					if err := v.Verify(t.Context(), s.image.Name()); err != nil {
						t.Error(err, sallyport.AsError(err).Err)
					}
				})
			}
		}
	}
}

const (
	unsigned = "image_unsigned"
	invalid  = "image_signature_invalid"
)

// TestBadSignatures: only a signature of exactly this image by one of the keys
// counts.
func TestBadSignatures(t *testing.T) {
	k := p256(t)
	bundle := func(b []byte) func(*testing.T, *shop) { return func(t *testing.T, s *shop) { s.refer(t, "", b) } }
	of := func(payload func(s *shop) string) func(*testing.T, *shop) {
		return func(t *testing.T, s *shop) { s.refer(t, signType, k.bundle(t, k.envelope(t, inToto, payload(s)))) }
	}
	simple := func(payload func(s *shop) string) func(*testing.T, *shop) {
		return func(t *testing.T, s *shop) { s.label(t, k.simple(t, payload(s))) }
	}
	replaced := func(old, with string) func(s *shop) string {
		return func(s *shop) string {
			return strings.ReplaceAll(statement(s.image)+"\n"+payload(s.image, "x"), old, with)
		}
	}
	first := func(f func(*shop) string) func(*shop) string {
		return func(s *shop) string { a, _, _ := strings.Cut(f(s), "\n"); return a }
	}
	second := func(f func(*shop) string) func(*shop) string {
		return func(s *shop) string { _, b, _ := strings.Cut(f(s), "\n"); return b }
	}
	for name, tt := range map[string]struct {
		reason string
		attach func(*testing.T, *shop)
		code   string
		says   string
	}{
		"Unsigned": {"an image without signatures is not signed", func(*testing.T, *shop) {}, unsigned, "is not signed"},
		"Bundle/OtherKey": {
			"the key is not the operator's", func(t *testing.T, s *shop) { s.refer(t, signType, p256(t).signed(t, s.image)) }, invalid, "by none of the operator's keys",
		},
		"Bundle/OtherKeyWithOurHint": {
			"the signer chooses the hint", func(t *testing.T, s *shop) {
				s.refer(t, signType, k.bundle(t, p256(t).envelope(t, inToto, statement(s.image))))
			}, invalid, "by none of the operator's keys",
		},
		"Bundle/Copied": {
			"a good signature of another image lies beside this one", func(t *testing.T, s *shop) {
				s.refer(t, signType, k.signed(t, s.push(t, "tools/scale")))
			}, invalid, "of another image",
		},
		"Bundle/Tampered": {
			"the statement was changed after it was signed", func(t *testing.T, s *shop) {
				envelope := k.envelope(t, inToto, statement(s.push(t, "tools/scale")))
				envelope["payload"] = base64.StdEncoding.EncodeToString([]byte(statement(s.image)))
				s.refer(t, signType, k.bundle(t, envelope))
			}, invalid, "by none of the operator's keys",
		},
		"Bundle/SignatureTampered": {
			"the signature was changed", func(t *testing.T, s *shop) {
				envelope := k.envelope(t, inToto, statement(s.image))
				envelope["signatures"] = []any{map[string]any{"sig": base64.StdEncoding.EncodeToString([]byte("a signature"))}}
				s.refer(t, signType, k.bundle(t, envelope))
			}, invalid, "by none of the operator's keys",
		},
		"Bundle/NoSignature": {
			"an envelope may have none at all", func(t *testing.T, s *shop) {
				envelope := k.envelope(t, inToto, statement(s.image))
				envelope["signatures"] = []any{}
				s.refer(t, signType, k.bundle(t, envelope))
			}, invalid, "",
		},
		"Bundle/Attestation": {
			"the key may have signed that the image is full of holes", of(first(replaced(signType, "https://cosign.sigstore.dev/attestation/vuln/v1"))), invalid, "a statement about the image",
		},
		"Bundle/AttestationThatSaysSo": {
			"an attestation is no signature, and does not count as one", func(t *testing.T, s *shop) {
				s.refer(t, "https://slsa.dev/provenance/v1", k.signed(t, s.image))
			}, unsigned, "is not signed",
		},
		"Bundle/OldStatement": {"cosign signs version 1 of the statement", of(first(replaced("Statement/v1", "Statement/v0.1"))), invalid, "a statement about the image"},
		"Bundle/TwoSubjects": {
			"a signature of one image does not stand for a heap", of(first(replaced(`"subject":[`, `"subject":[{"digest":{"sha256":"`+strings.Repeat("00", 32)+`"}},`))), invalid, "of more than this image",
		},
		"Bundle/TwoDigests": {
			"one subject under two hashes may be two things", of(first(replaced(`"digest":{`, `"digest":{"sha512":"`+strings.Repeat("00", 64)+`",`))), invalid, "of more than this image",
		},
		"Bundle/OtherPayload": {
			"what is signed as something else is no statement", func(t *testing.T, s *shop) {
				s.refer(t, signType, k.bundle(t, k.envelope(t, "text/plain", statement(s.image))))
			}, invalid, "",
		},
		"Bundle/Certificate": {
			"a self-signed certificate is not an operator's key", func(t *testing.T, s *shop) {
				b := strings.Replace(string(k.signed(t, s.image)), `"publicKey":{"hint"`, `"certificate":{"rawBytes"`, 1)
				_, rest, _ := strings.Cut(b, `"rawBytes":"`)
				hint, _, _ := strings.Cut(rest, `"`)
				s.refer(t, signType, []byte(strings.Replace(b, hint, base64.StdEncoding.EncodeToString(certificate(t, k)), 1)))
			}, invalid, "by none of the operator's keys",
		},
		"Bundle/MessageSignature": {
			"the signature of a file is not the one of an image", func(t *testing.T, s *shop) {
				s.refer(t, "", messageSignature(t, k, s.image))
			}, invalid, "and not the image",
		},
		"Bundle/NoJSON":    {"a layer can hold anything", bundle([]byte("\x00\x01")), invalid, "not a sigstore bundle"},
		"Bundle/Empty":     {"a layer can hold anything", bundle([]byte("{}")), invalid, "not a sigstore bundle"},
		"Bundle/NoContent": {"a layer can hold anything", bundle([]byte(`{"mediaType":"` + bundleType + `","verificationMaterial":{"publicKey":{}},"dsseEnvelope":{}}`)), invalid, ""},
		"Bundle/Huge": {
			"the verifier reads no signature of this size", func(t *testing.T, s *shop) {
				s.refer(t, signType, append(k.signed(t, s.image), strings.Repeat(" ", 256<<10)...))
			}, invalid, "larger than 256 KiB",
		},
		"Simple/OtherKey": {
			"the key is not the operator's", func(t *testing.T, s *shop) { s.label(t, p256(t).simple(t, payload(s.image, "x"))) }, invalid, "by none of the operator's keys",
		},
		"Simple/Copied": {
			"a good signature of another image lies beside this one", func(t *testing.T, s *shop) {
				s.label(t, k.simple(t, payload(s.push(t, "tools/scale"), "x")))
			}, invalid, "of another image",
		},
		"Simple/Tampered": {
			"the payload was changed after it was signed", func(t *testing.T, s *shop) {
				l := k.simple(t, payload(s.push(t, "tools/scale"), "x"))
				l.data = []byte(payload(s.image, "x"))
				s.label(t, l)
			}, invalid, "by none of the operator's keys",
		},
		"Simple/NoAnnotation": {
			"a payload alone says nothing", func(t *testing.T, s *shop) {
				s.label(t, layer{data: []byte(payload(s.image, "x")), mediaType: simpleType})
			}, invalid, "annotation",
		},
		"Simple/WrongAnnotation": {
			"an annotation can be anything", func(t *testing.T, s *shop) {
				l := k.simple(t, payload(s.image, "x"))
				l.annotations["dev.cosignproject.cosign/signature"] = "<script>"
				s.label(t, l)
			}, invalid, "annotation",
		},
		"Simple/OtherAnnotation": {
			"the signature is in one place only", func(t *testing.T, s *shop) {
				l := k.simple(t, payload(s.image, "x"))
				l.annotations = map[string]string{"cosign/signature": l.annotations["dev.cosignproject.cosign/signature"]}
				s.label(t, l)
			}, invalid, "annotation",
		},
		"Simple/OtherType":       {"the key may have signed other things", simple(second(replaced(simpleWord, "atomic container signature"))), invalid, "does not sign a container image"},
		"Simple/UnknownCritical": {"what is critical and not understood must not be skipped", simple(second(replaced(`"type"`, `"not-after":"2020-01-01","type"`))), invalid, "payload"},
		"Simple/TwoDigests":      {"two parsers would read two digests", simple(second(replaced(`"image":{`, `"image":{"docker-manifest-digest":"sha256:00",`))), invalid, "payload"},
		"Simple/NoJSON":          {"a key can sign anything", simple(func(*shop) string { return "hello" }), invalid, "payload"},
		"Simple/Statement":       {"the one form is not the other", simple(func(s *shop) string { return statement(s.image) }), invalid, "payload"},
		"Simple/Huge": {
			"the verifier reads no signature of this size", simple(func(s *shop) string { return payload(s.image, strings.Repeat("x", 256<<10)) }), invalid, "larger than 256 KiB",
		},
		"Simple/HugeAndLying": {
			"a manifest can say that a layer is small", func(t *testing.T, s *shop) {
				l := k.simple(t, payload(s.image, strings.Repeat("x", 256<<10)))
				l.size = 300
				s.label(t, l)
			}, invalid, "larger than 256 KiB",
		},
		"Simple/OtherMediaType": {
			"only layers of the type are signatures", func(t *testing.T, s *shop) {
				l := k.simple(t, payload(s.image, "x"))
				l.mediaType = "application/octet-stream"
				s.label(t, l)
			}, unsigned, "is not signed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, true)
			tt.attach(t, s)
			err := newVerifier(t, images.Options{Keys: []string{k.pem(t)}}).Verify(t.Context(), s.image.Name())
			if sallyport.KindOf(err) != sallyport.Denied || sallyport.CodeOf(err) != tt.code {
				t.Fatalf("%v (%s); want %s, for %s", err, sallyport.CodeOf(err), tt.code, tt.reason)
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("the error is %q (%v), want %q in it", err, sallyport.AsError(err).Err, tt.says)
			}
		})
	}
}

// messageSignature is a bundle as cosign sign-blob makes it of the image's
// manifest.
func messageSignature(t *testing.T, k signer, image name.Digest) []byte {
	t.Helper()
	digest, err := hex.DecodeString(strings.TrimPrefix(image.DigestStr(), "sha256:"))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := k.Sign(rand.Reader, digest, k.hash)
	if err != nil {
		t.Fatal(err)
	}
	return marshal(t, map[string]any{
		"mediaType":            bundleType,
		"verificationMaterial": map[string]any{"publicKey": map[string]any{"hint": "x"}},
		"messageSignature": map[string]any{
			"messageDigest": map[string]any{"algorithm": "SHA2_256", "digest": base64.StdEncoding.EncodeToString(digest)},
			"signature":     base64.StdEncoding.EncodeToString(signature),
		},
	})
}

// certificate is self-signed.
func certificate(t *testing.T, k signer) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k.Signer)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestManySignatures: a good one counts among the first, and the number of
// signatures that the verifier reads is bounded.
func TestManySignatures(t *testing.T) {
	k, other := p256(t), p256(t)
	for _, tt := range []struct {
		before int
		code   string
	}{{31, ""}, {32, invalid}, {40, invalid}} {
		for _, form := range []string{"Bundles", "Simple", "Both"} {
			t.Run(form+strconv.Itoa(tt.before), func(t *testing.T) {
				s := newShop(t, false)
				var layers []layer
				for i := range tt.before {
					if form == "Bundles" || form == "Both" && i%2 == 0 {
						s.refer(t, signType, other.signed(t, s.image))
					} else {
						layers = append(layers, other.simple(t, payload(s.image, strconv.Itoa(i))))
					}
				}
				if form == "Bundles" {
					s.last(t, s.refer(t, signType, k.signed(t, s.image)))
				} else {
					s.label(t, append(layers, k.simple(t, payload(s.image, "good")))...)
				}
				s.behind(nil)
				err := newVerifier(t, images.Options{Keys: []string{k.pem(t)}}).Verify(t.Context(), s.image.Name())
				if sallyport.CodeOf(err) != tt.code {
					t.Errorf("%v; want %q", err, tt.code)
				}
				if n := s.requests("/"); n > 80 {
					t.Errorf("%d requests for 32 signatures", n)
				}
			})
		}
	}
}

// TestAttestationsTakeNoRoom: attestations do not count against the bound of
// signatures.
func TestAttestationsTakeNoRoom(t *testing.T) {
	k, s := p256(t), newShop(t, false)
	for range 40 {
		s.refer(t, "https://spdx.dev/Document", p256(t).signed(t, s.image))
	}
	s.last(t, s.refer(t, signType, k.signed(t, s.image)))
	if err := newVerifier(t, images.Options{Keys: []string{k.pem(t)}}).Verify(t.Context(), s.image.Name()); err != nil {
		t.Error(err)
	}
}

func TestBadNames(t *testing.T) {
	v := newVerifier(t, images.Options{Keys: []string{p256(t).pem(t)}})
	digest := "sha256:" + strings.Repeat("0", 64)
	for _, image := range []string{
		"", "tool", "registry.example.com/tool", "registry.example.com/tool:1.2", "registry.example.com/tool@sha256:00",
		"registry.example.com/tool@" + digest + "0", "registry.example.com/tool@sha512:" + strings.Repeat("0", 128),
		"registry.example.com/Tool@" + digest, "https://registry.example.com/tool@" + digest, "registry.example.com/tool@" + digest + "\n", "@" + digest,
	} {
		err := v.Verify(t.Context(), image)
		if sallyport.KindOf(err) != sallyport.Invalid || sallyport.CodeOf(err) != "bad_image" {
			t.Errorf("%q: %v; want bad_image", image, err)
		}
	}
}

// TestErrorsDoNotQuote: errors hold no text of registries and signers.
func TestErrorsDoNotQuote(t *testing.T) {
	v := newVerifier(t, images.Options{Keys: []string{p256(t).pem(t)}})
	err := v.Verify(t.Context(), "registry.example.com/\u202etool`|\x1b[2J"+strings.Repeat("x", 5000))
	if strings.ContainsAny(err.Error(), "\u202e\x1b") || len(err.Error()) > 800 {
		t.Errorf("the error quotes what it was given: %.900q", err)
	}
	k, s := p256(t), newShop(t, true)
	s.label(t, k.simple(t, `{"critical":{"`+"\u202e"+`surprise":1}}`))
	err = newVerifier(t, images.Options{Keys: []string{k.pem(t)}}).Verify(t.Context(), s.image.Name())
	if strings.Contains(err.Error(), "surprise") || sallyport.CodeOf(err) != invalid {
		t.Errorf("the error quotes the payload: %q", err)
	}
}

func TestNewRefuses(t *testing.T) {
	good := p256(t).pem(t)
	private, err := x509.MarshalPKCS8PrivateKey(p256(t).Signer.(*ecdsa.PrivateKey)) //nolint:forcetypeassert // a panic fails the test as well
	if err != nil {
		t.Fatal(err)
	}
	secret := base64.StdEncoding.EncodeToString(private)
	for name, tt := range map[string]struct {
		options images.Options
		says    string
	}{
		"NoKeys":     {images.Options{}, "at least one"},
		"Empty":      {images.Options{Keys: []string{""}}, "key 1 of 1"},
		"Words":      {images.Options{Keys: []string{good, "cosign.pub"}}, "key 2 of 2"},
		"Twice":      {images.Options{Keys: []string{good + good}}, "one PEM block"},
		"P521":       {images.Options{Keys: []string{ec(t, elliptic.P521(), crypto.SHA512).pem(t)}}, "P-256"},
		"P224":       {images.Options{Keys: []string{ec(t, elliptic.P224(), crypto.SHA256).pem(t)}}, "P-256"},
		"Private":    {images.Options{Keys: []string{"-----BEGIN PRIVATE KEY-----\n" + secret + "\n-----END PRIVATE KEY-----\n"}}, "never configure a private key"},
		"NoKey":      {images.Options{Keys: []string{"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"}}, "want a public key"},
		"Timeout":    {images.Options{Keys: []string{good}, Timeout: -1}, "negative"},
		"Lifetime":   {images.Options{Keys: []string{good}, Lifetime: -1}, "negative"},
		"GoodThenNo": {images.Options{Keys: []string{good, strings.Replace(good, "PUBLIC", "RSA PUBLIC", 2)}}, "key 2 of 2"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := images.New(tt.options)
			if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), secret) {
				t.Errorf("New: %v; want %q in it", err, tt.says)
			}
		})
	}
}
