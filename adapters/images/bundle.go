package images

import (
	"encoding/hex"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/verify"
)

// What cosign writes.
const (
	bundleType          = "application/vnd.dev.sigstore.bundle.v0.3+json"
	emptyType           = "application/vnd.oci.empty.v1+json"
	predicateAnnotation = "dev.sigstore.bundle.predicateType"
	signPredicate       = "https://sigstore.dev/cosign/sign/v1"
	statementType       = "https://in-toto.io/Statement/v1"
)

// mayBeBundle reports whether it is worth looking into an artifact. In an index
// that stands for the referrers API, some clients write its config's type for the
// artifact's. Attestations say of themselves that they are no signature.
func mayBeBundle(d v1.Descriptor) bool {
	predicate, said := d.Annotations[predicateAnnotation]
	return (d.ArtifactType == bundleType || d.ArtifactType == emptyType || d.ArtifactType == "") &&
		(!said || predicate == signPredicate)
}

// checkBundle checks a bundle: a DSSE envelope around an in-toto statement that
// has this image, and nothing besides, as its subject. The type of its
// predicate must be the one of signatures, for the same key may have signed
// other statements of the image, such as that it is full of holes.
func checkBundle(keys []key, data []byte, ref name.Digest) error {
	var b bundle.Bundle
	if err := b.UnmarshalJSON(data); err != nil {
		return &fault{"it is not a sigstore bundle", err}
	}
	digest := strings.TrimPrefix(ref.DigestStr(), "sha256:")
	raw, err := hex.DecodeString(digest)
	if err != nil {
		return &fault{"the image's digest is not one", err}
	}
	policy := verify.NewPolicy(verify.WithArtifactDigest("sha256", raw), verify.WithKey())
	result, err := verifyBundle(keys, &b, policy)
	if err != nil {
		return &fault{"it is by none of the operator's keys, or of another image", err}
	}
	s := result.Statement
	switch {
	case s == nil || s.GetType() != statementType || s.GetPredicateType() != signPredicate:
		return &fault{what: "it signs a statement about the image, and not the image"}
	case len(s.GetSubject()) != 1 || len(s.GetSubject()[0].GetDigest()) != 1 || s.GetSubject()[0].GetDigest()["sha256"] != digest:
		return &fault{what: "it is of more than this image"}
	}
	return nil
}

// verifyBundle returns what the first key says under which a bundle is good,
// or what is wrong under the last.
func verifyBundle(keys []key, b *bundle.Bundle, policy verify.PolicyBuilder) (result *verify.VerificationResult, err error) {
	for _, k := range keys {
		if result, err = k.ofBundles.Verify(b, policy); err == nil {
			return result, nil
		}
	}
	return nil, err
}
