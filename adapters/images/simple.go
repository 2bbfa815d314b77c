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

// simplePayload is the signed document. Unknown members are rejected: a verifier
// must understand all of "critical".
type simplePayload struct {
	Critical struct {
		Identity struct {
			// The image's name when it was signed. It does not count: the
			// digest identifies the image, a mirror has another name, and a
			// bundle holds no name.
			Reference string `json:"docker-reference"`
		} `json:"identity"`
		Image struct {
			Digest string `json:"docker-manifest-digest"`
		} `json:"image"`
		Type string `json:"type"`
	} `json:"critical"`
	Optional map[string]any `json:"optional"`
}

// checkSimple verifies a payload against the signature in its layer's annotation.
func checkSimple(annotation string) func([]key, []byte, name.Digest) error {
	return func(keys []key, data []byte, ref name.Digest) error {
		signature, err := base64.StdEncoding.DecodeString(annotation)
		if err != nil || len(signature) == 0 {
			return &fault{"its annotation " + signatureAnnotation + " is not a signature in base64", err}
		}
		if err := verifyBytes(keys, signature, data); err != nil {
			return &fault{"it is by none of the operator's keys", err}
		}
		var p simplePayload
		if err := strict.Decode(data, &p); err != nil {
			return &fault{"its payload is not a simple-signing document", err}
		}
		if p.Critical.Type != simpleSigning {
			return &fault{what: "it does not sign a container image"}
		}
		if p.Critical.Image.Digest != ref.DigestStr() {
			return &fault{what: "it is of another image"}
		}
		return nil
	}
}

// verifyBytes returns nil if one of the keys verifies a signature of data.
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
