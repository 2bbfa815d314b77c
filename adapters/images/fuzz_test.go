package images

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
)

// FuzzSignatures: nothing that lies beside an image is taken for a signature
// by a key that never signed anything, or ends the program.
func FuzzSignatures(f *testing.F) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		f.Fatal(err)
	}
	keys, err := parseKeys([]string{string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))})
	if err != nil {
		f.Fatal(err)
	}
	digest := strings.Repeat("0", 64)
	ref, err := name.NewDigest("registry.example.com/tool@sha256:" + digest)
	if err != nil {
		f.Fatal(err)
	}
	payload := base64.StdEncoding.EncodeToString([]byte(`{"_type":"` + statementType + `","subject":[{"digest":{"sha256":"` + digest + `"}}],"predicateType":"` + signPredicate + `"}`))
	head := `{"mediaType":"` + bundleType + `","verificationMaterial":`
	f.Add([]byte(head+`{"publicKey":{"hint":"x"}},"dsseEnvelope":{"payload":"`+payload+`","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"AAAA"}]}}`), "AAAA")
	f.Add([]byte(head+`{"publicKey":{}},"dsseEnvelope":{}}`), "")
	f.Add([]byte(head+`{"publicKey":{},"tlogEntries":[{}],"timestampVerificationData":{"rfc3161Timestamps":[{}]}},"dsseEnvelope":{"signatures":[{}]}}`), "")
	f.Add([]byte(head+`{"certificate":{"rawBytes":"AAAA"}},"messageSignature":{"messageDigest":{}}}`), "")
	f.Add([]byte(`{"critical":{"identity":{"docker-reference":"x"},"image":{"docker-manifest-digest":"sha256:`+digest+`"},"type":"`+simpleSigning+`"},"optional":null}`), "MAA=")
	f.Fuzz(func(t *testing.T, data []byte, annotation string) {
		if checkBundle(keys, data, ref) == nil || checkSimple(annotation)(keys, data, ref) == nil {
			t.Errorf("%q, %q is taken for a signature", data, annotation)
		}
	})
}
