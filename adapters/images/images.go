// Package images verifies that a container image is signed by one of the
// operator's keys, before anything is made to run it.
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
// There is no certificate, no transparency log and no timestamp in this: a
// key of the operator's counts from the day on which it is configured to the
// day on which it is taken out. Entries of a log that a bundle brings along are
// not looked at.
//
// A signature is for a digest and says nothing of where the image lies, so that
// a mirror's image is as good as the original. For an image of several platforms
// the index is signed or the platform's own manifest; whichever is named
// must be the one that is signed.
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

// What a zero in Options stands for.
const (
	DefaultTimeout  = 20 * time.Second
	DefaultLifetime = time.Hour
)

// Options say whose signatures count, and how they are fetched.
type Options struct {
	// Keys are the operator's public keys, each the content of a PEM file as
	// cosign writes cosign.pub: ECDSA on P-256 or P-384, or Ed25519. At least
	// one. A signature by any of them suffices.
	Keys []string

	// Keychain has the credentials for registries; nil is none.
	Keychain authn.Keychain

	// Transport carries the requests; nil is one that knows the system's
	// authorities. It is the place for a registry's own.
	Transport http.RoundTripper

	Timeout  time.Duration    // of one verification; 0 is DefaultTimeout
	Lifetime time.Duration    // how long an image is known to be signed; 0 is DefaultLifetime
	Now      func() time.Time // nil is the clock
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
		return nil, errors.New("images: a timeout or lifetime is negative: leave it out, or make it positive")
	}
	v := &Verifier{
		keys: keys, keychain: o.Keychain, carrier: o.Transport, timeout: cmp.Or(o.Timeout, DefaultTimeout),
		signed: &cache{lifetime: cmp.Or(o.Lifetime, DefaultLifetime), now: o.Now},
	}
	if v.keychain == nil {
		v.keychain = authn.NewMultiKeychain() // knows nobody
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
// says that the image is not signed (code "image_unsigned"), or that no
// signature that was found is good ("image_signature_invalid"). One of kind
// [sallyport.Unavailable] ("registry_unavailable") says that the registry did
// not give what it was asked for, and nobody knows. One of kind
// [sallyport.Invalid] ("bad_image") says that the image is not named by digest.
//
// That an image is signed is remembered for the lifetime, by its digest alone.
// That it is not is never remembered: whoever signs it need not wait.
func (v *Verifier) Verify(ctx context.Context, image string) error {
	ref, err := name.NewDigest(image)
	if err != nil || !imageByDigest.MatchString(image) {
		return sallyport.Errorf(sallyport.Invalid, sallyport.CodeBadImage,
			"%s does not name an image by digest: it must be like registry.example.com/tool@sha256:…", shown(image))
	}
	// Whoever asks first and hangs up must not take the answer from the others.
	detached := context.WithoutCancel(ctx)
	answer := v.flights.DoChan(ref.Name(), func() (any, error) {
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
	case result := <-answer:
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
	var bad *fault // what is wrong with a signature that was found
	var gone error // why there may be more than was found
	room := maxSignatures
	for _, list := range []func(context.Context, int) ([]attached, error){shelf.bundles, shelf.simple} {
		found, err := list(ctx, room)
		room -= len(found)
		gone = cmp.Or(gone, err)
		for _, a := range found {
			err := v.judge(ctx, shelf, a)
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
	return verdict(ref, bad, gone, room == 0)
}

// judge fetches one signature and checks it.
func (v *Verifier) judge(ctx context.Context, shelf *shelf, a attached) error {
	if a.fault != nil {
		return a.fault
	}
	data, err := shelf.blob(ctx, a.blob)
	if err != nil {
		return err
	}
	return a.check(v.keys, data, shelf.ref)
}

// verdict says why no signature was good.
func verdict(ref name.Digest, bad *fault, gone error, full bool) error {
	if f, ok := errors.AsType[*fault](gone); ok {
		bad, gone = f, nil
	}
	switch {
	case gone != nil:
		return unavailable(ref, gone)
	case bad != nil && full:
		return refusal(bad, sallyport.CodeImageSignatureInvalid,
			"none of the %d signatures of %s that are looked at is good, of the last of them: %s; remove what is attached to it and does not count", maxSignatures, shown(ref.Name()), bad.what)
	case bad != nil:
		return refusal(bad, sallyport.CodeImageSignatureInvalid, "%s has no good signature: %s", shown(ref.Name()), bad.what)
	default:
		return refusal(nil, sallyport.CodeImageUnsigned, "%s is not signed: sign it with one of the operator's keys (cosign sign --key)", shown(ref.Name()))
	}
}
