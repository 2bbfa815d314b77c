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

// mayBeBundle reports whether an artifact may hold a signature. In an index that
// stands for the referrers API, some clients write the type of its config in
// place of the artifact's. An attestation has another predicate in its
// annotations.
func mayBeBundle(d v1.Descriptor) bool {
	predicate, said := d.Annotations[predicateAnnotation]
	return (d.ArtifactType == bundleType || d.ArtifactType == emptyType || d.ArtifactType == "") &&
		(!said || predicate == signPredicate)
}

// checkBundle verifies a bundle: a DSSE envelope around an in-toto statement whose
// only subject is this image. The type of its predicate must be the one of
// signatures, because the same key may have signed other statements about the
// image, such as a list of its vulnerabilities.
func checkBundle(keys []key, data []byte, ref name.Digest) error {
	var b bundle.Bundle
	if err := b.UnmarshalJSON(data); err != nil {
		return &fault{"it is not a sigstore bundle", err}
	}
	digest := strings.TrimPrefix(ref.DigestStr(), "sha256:")
	raw, err := hex.DecodeString(digest)
	if err != nil {
		return &fault{"the image's digest is not hexadecimal", err}
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

// verifyBundle returns the result of the first key that verifies a bundle, or the
// error of the last.
func verifyBundle(keys []key, b *bundle.Bundle, policy verify.PolicyBuilder) (result *verify.VerificationResult, err error) {
	for _, k := range keys {
		if result, err = k.ofBundles.Verify(b, policy); err == nil {
			return result, nil
		}
	}
	return nil, err
}
