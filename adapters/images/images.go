// Package images verifies that a container image is signed by one of the
// operator's keys, before the worker creates a Job for it.
//
// A signature is what cosign makes with a key, in either form in which it
// stores it beside the image:
//
//   - a sigstore bundle in an OCI artifact that refers to the image (artifact
//     type application/vnd.dev.sigstore.bundle.v0.3+json), found by the
//     referrers API or, where the registry has none, by its fallback tag;
//   - a simple-signing payload under the tag sha256-<hex>.sig, as older
//     versions of cosign write it.
//
// The package uses no certificates, no transparency log and no timestamps: a key
// is valid for as long as the operator configures it. It ignores the entries of a
// log in a bundle.
//
// A signature is for a digest, not for a registry, so that a mirror's image is as
// good as the original. For an image of several platforms the signature is of the
// index or of the platform's own manifest: the digest that the tool's manifest
// names must be signed.
package images

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/sync/singleflight"

	"github.com/sallyport/sallyport"
)

// Defaults of [Options].
const (
	DefaultTimeout  = 20 * time.Second
	DefaultLifetime = time.Hour
)

// Options configure whose signatures count, and how the verifier fetches them.
type Options struct {
	// Keys are the operator's public keys, each the content of a PEM file as
	// cosign writes cosign.pub: ECDSA on P-256 or P-384, or Ed25519. At least
	// one. A signature by any of them suffices.
	Keys []string

	// Keychain has the credentials for registries. The default has none.
	Keychain authn.Keychain

	// Transport carries the requests, and can trust a registry's own
	// certificate authority. The default trusts the system's.
	Transport http.RoundTripper

	Timeout  time.Duration    // of one verification; default DefaultTimeout
	Lifetime time.Duration    // how long a good result is remembered; default DefaultLifetime
	Now      func() time.Time // default time.Now
}

// Verifier verifies signatures of images. It is safe for concurrent use.
type Verifier struct {
	keys     []key
	keychain authn.Keychain
	carrier  http.RoundTripper
	timeout  time.Duration
	signed   *cache
	flights  singleflight.Group
}

// New checks the options. An error says which key is wrong, and never quotes
// it: it may be a private one.
func New(o Options) (*Verifier, error) {
	keys, err := parseKeys(o.Keys)
	if err != nil {
		return nil, err
	}
	if o.Timeout < 0 || o.Lifetime < 0 {
		return nil, errors.New("images: Options.Timeout and Lifetime must not be negative")
	}
	v := &Verifier{
		keys: keys, keychain: o.Keychain, carrier: o.Transport, timeout: cmp.Or(o.Timeout, DefaultTimeout),
		signed: &cache{lifetime: cmp.Or(o.Lifetime, DefaultLifetime), now: o.Now},
	}
	if v.keychain == nil {
		v.keychain = authn.NewMultiKeychain() // has no credentials
	}
	if v.carrier == nil {
		v.carrier = remote.DefaultTransport
	}
	if v.signed.now == nil {
		v.signed.now = time.Now
	}
	return v, nil
}

// Verify returns nil when the image, such as
// registry.example.com/tool@sha256:…, is signed by one of the keys.
//
// The errors are of type [sallyport.Error]. One of kind [sallyport.Denied]
// means that the image is not signed (code "image_unsigned"), or that none of its
// signatures is good ("image_signature_invalid"). One of kind
// [sallyport.Unavailable] ("registry_unavailable") means that the signatures
// could not be fetched. One of kind [sallyport.Invalid] ("bad_image") means that
// the image is not named by digest.
//
// The verifier remembers for the lifetime that a digest is signed. It does not
// remember that a digest is not: a new signature counts at once.
func (v *Verifier) Verify(ctx context.Context, image string) error {
	ref, err := name.NewDigest(image)
	if err != nil || !imageByDigest.MatchString(image) {
		return sallyport.Errorf(sallyport.Invalid, sallyport.CodeBadImage,
			"%s does not name an image by digest; want registry.example.com/tool@sha256:…", shown(image))
	}
	// A caller that gives up must not cancel the verification of the others.
	detached := context.WithoutCancel(ctx)
	done := v.flights.DoChan(ref.Name(), func() (any, error) {
		if v.signed.has(ref.DigestStr()) {
			return nil, nil
		}
		ctx, cancel := context.WithTimeout(detached, v.timeout)
		defer cancel()
		err := v.search(ctx, ref)
		if err == nil {
			v.signed.add(ref.DigestStr())
		}
		return nil, err
	})
	select {
	case result := <-done:
		return result.Err
	case <-ctx.Done():
		return unavailable(ref, context.Cause(ctx))
	}
}

// search looks for a good signature beside the image.
func (v *Verifier) search(ctx context.Context, ref name.Digest) error {
	shelf, err := v.open(ref)
	if err != nil {
		return unavailable(ref, err)
	}
	var bad *fault // why a signature is not good
	var gone error // why there may be more signatures
	room := maxSignatures
	for _, list := range []func(context.Context, int) ([]attached, error){shelf.bundles, shelf.simple} {
		found, err := list(ctx, room)
		room -= len(found)
		gone = cmp.Or(gone, err)
		for _, a := range found {
			err := v.verifySignature(ctx, shelf, a)
			if err == nil {
				return nil
			}
			if f, ok := errors.AsType[*fault](err); ok {
				bad = f
			} else {
				gone = cmp.Or(gone, err)
			}
		}
	}
	return signatureResult(ref, bad, gone, room == 0)
}

// verifySignature fetches one signature and verifies it.
func (v *Verifier) verifySignature(ctx context.Context, shelf *shelf, a attached) error {
	if a.fault != nil {
		return a.fault
	}
	data, err := shelf.blob(ctx, a.blob)
	if err != nil {
		return err
	}
	return a.check(v.keys, data, shelf.ref)
}

// signatureResult is the error of an image without a good signature.
func signatureResult(ref name.Digest, bad *fault, gone error, full bool) error {
	if f, ok := errors.AsType[*fault](gone); ok {
		bad, gone = f, nil
	}
	switch {
	case gone != nil:
		return unavailable(ref, gone)
	case bad != nil && full:
		return denied(bad, sallyport.CodeImageSignatureInvalid,
			"none of the first %d signatures of %s is good: of the last, %s; remove the invalid signatures from the registry", maxSignatures, shown(ref.Name()), bad.what)
	case bad != nil:
		return denied(bad, sallyport.CodeImageSignatureInvalid, "%s has no good signature: %s", shown(ref.Name()), bad.what)
	default:
		return denied(nil, sallyport.CodeImageUnsigned, "%s is not signed; sign it with one of the operator's keys (cosign sign --key)", shown(ref.Name()))
	}
}
