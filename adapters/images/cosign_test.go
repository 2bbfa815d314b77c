package images_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
)

// What cosign writes, spelled out here once more: the tests must not repeat a
// mistake of the package.
const (
	bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"
	simpleType = "application/vnd.dev.cosign.simplesigning.v1+json"
	signType   = "https://sigstore.dev/cosign/sign/v1"
	inToto     = "application/vnd.in-toto+json"
	simpleWord = "cosign container image signature"
)

// signer is a key, used as cosign uses it.
type signer struct {
	crypto.Signer
	hash crypto.Hash // 0 where the key has its own
}

func p256(t *testing.T) signer { t.Helper(); return ec(t, elliptic.P256(), crypto.SHA256) }

func ec(t *testing.T, curve elliptic.Curve, hash crypto.Hash) signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{k, hash}
}

func ed(t *testing.T) signer {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{k, 0}
}

// pem is what cosign writes to cosign.pub.
func (s signer) pem(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(s.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func (s signer) sign(t *testing.T, data []byte) []byte {
	t.Helper()
	if s.hash != 0 {
		h := s.hash.New()
		h.Write(data)
		data = h.Sum(nil)
	}
	signature, err := s.Sign(rand.Reader, data, s.hash)
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

// statement is what cosign signs of an image.
func statement(image name.Digest) string {
	return fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":%q},"annotations":{}}],"predicateType":%q,"predicate":{}}`,
		image.DigestStr()[len("sha256:"):], signType)
}

// envelope signs a payload (the DSSE protocol, version 1).
func (s signer) envelope(t *testing.T, payloadType, payload string) map[string]any {
	t.Helper()
	signed := fmt.Sprintf("DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(payload), payload)
	return map[string]any{
		"payload": base64.StdEncoding.EncodeToString([]byte(payload)), "payloadType": payloadType,
		"signatures": []any{map[string]any{"sig": base64.StdEncoding.EncodeToString(s.sign(t, []byte(signed)))}},
	}
}

// bundle is a sigstore bundle around an envelope.
func (s signer) bundle(t *testing.T, envelope map[string]any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(s.Public())
	if err != nil {
		t.Fatal(err)
	}
	hint := sha256.Sum256(der)
	return marshal(t, map[string]any{
		"mediaType":            bundleType,
		"verificationMaterial": map[string]any{"publicKey": map[string]any{"hint": base64.StdEncoding.EncodeToString(hint[:])}},
		"dsseEnvelope":         envelope,
	})
}

// signed is a bundle with the signature of an image.
func (s signer) signed(t *testing.T, image name.Digest) []byte {
	t.Helper()
	return s.bundle(t, s.envelope(t, inToto, statement(image)))
}

// payload is what older versions of cosign sign of an image.
func payload(image name.Digest, reference string) string {
	return fmt.Sprintf(`{"critical":{"identity":{"docker-reference":%q},"image":{"docker-manifest-digest":%q},"type":%q},"optional":null}`,
		reference, image.DigestStr(), simpleWord)
}

// simple is a layer with a payload and the signature of it.
func (s signer) simple(t *testing.T, payload string) layer {
	t.Helper()
	return layer{data: []byte(payload), mediaType: simpleType, annotations: map[string]string{
		"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(s.sign(t, []byte(payload))),
	}}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
