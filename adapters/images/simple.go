package images

import (
	"bytes"
	"encoding/base64"
	"errors"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/sallyport/sallyport/strict"
)

// What cosign writes.
const (
	simpleType          = "application/vnd.dev.cosign.simplesigning.v1+json"
	signatureAnnotation = "dev.cosignproject.cosign/signature"
	simpleSigning       = "cosign container image signature"
)

// simplePayload is what is signed. Nothing in it may be unknown to us, for all
// of "critical" has to be heeded.
type simplePayload struct {
	Critical struct {
		Identity struct {
			// What the image was called when it was signed. It does not
			// count: the digest says all, a mirror has another name, and a
			// bundle says nothing of names either.
			Reference string `json:"docker-reference"`
		} `json:"identity"`
		Image struct {
			Digest string `json:"docker-manifest-digest"`
		} `json:"image"`
		Type string `json:"type"`
	} `json:"critical"`
	Optional map[string]any `json:"optional"`
}

// checkSimple checks a payload against the signature in its layer's annotation.
func checkSimple(annotation string) func([]key, []byte, name.Digest) error {
	return func(keys []key, data []byte, ref name.Digest) error {
		signature, err := base64.StdEncoding.DecodeString(annotation)
		if err != nil || len(signature) == 0 {
			return &fault{"its annotation " + signatureAnnotation + " is no signature in base64", err}
		}
		if err := verifyBytes(keys, signature, data); err != nil {
			return &fault{"it is by none of the operator's keys", err}
		}
		var p simplePayload
		if err := strict.Decode(data, &p); err != nil {
			return &fault{"its payload is not one", err}
		}
		if p.Critical.Type != simpleSigning {
			return &fault{what: "it signs something else than an image"}
		}
		if p.Critical.Image.Digest != ref.DigestStr() {
			return &fault{what: "it is of another image"}
		}
		return nil
	}
}

// verifyBytes returns nil when a signature of data is by one of the keys.
func verifyBytes(keys []key, signature, data []byte) error {
	var faults []error
	for _, k := range keys {
		err := k.ofBytes.VerifySignature(bytes.NewReader(signature), bytes.NewReader(data))
		if err == nil {
			return nil
		}
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}
