package images

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Bounds of the signatures of one image that the verifier fetches.
const (
	maxSignatures = 32
	maxSignature  = 256 << 10 // bytes
)

// shelf is the repository of a registry that holds an image and its signatures.
type shelf struct {
	ref    name.Digest
	client remote.Option
}

// attached is an object beside an image that may be a signature of it.
type attached struct {
	blob  v1.Descriptor
	fault *fault // set if it is invalid before it is fetched
	check func(keys []key, data []byte, ref name.Digest) error
}

func (v *Verifier) open(ref name.Digest) (*shelf, error) {
	client, err := remote.NewPuller(
		remote.WithAuthFromKeychain(v.keychain),
		remote.WithTransport(&bounded{carrier: v.carrier}),
		// The caller of Verify decides whether to retry.
		remote.WithRetryBackoff(remote.Backoff{Steps: 1}),
		remote.WithRetryStatusCodes(),
	)
	if err != nil {
		return nil, err
	}
	return &shelf{ref: ref, client: remote.Reuse(client)}, nil
}

// bundles lists the artifacts that refer to the image and hold a sigstore
// bundle, at most room of them. With an error it returns those found before.
func (s *shelf) bundles(ctx context.Context, room int) ([]attached, error) {
	index, err := remote.Referrers(s.ref, remote.WithContext(ctx), s.client)
	if err != nil {
		return nil, err
	}
	referrers, err := index.IndexManifest()
	if err != nil {
		return nil, &fault{"the list of its referrers is not an image index", err}
	}
	var found []attached
	for _, d := range referrers.Manifests {
		if len(found) == room {
			break
		}
		if !mayBeBundle(d) {
			continue
		}
		a, ok, err := s.bundle(ctx, d)
		if err != nil {
			return found, err
		}
		if ok {
			found = append(found, a)
		}
	}
	return found, nil
}

// bundle reads an artifact. ok is false for one that holds no bundle.
func (s *shelf) bundle(ctx context.Context, d v1.Descriptor) (found attached, ok bool, err error) {
	manifest, err := s.manifest(ctx, s.ref.Context().Digest(d.Digest.String()))
	switch {
	case notFound(err):
		return attached{}, false, nil
	case err != nil:
		return attached{}, false, err
	}
	for _, layer := range manifest.Layers {
		if string(layer.MediaType) == bundleType {
			return newAttached(layer, checkBundle), true, nil
		}
	}
	return attached{}, false, nil
}

// simple lists the layers of the image that older versions of cosign keep
// signatures in, at most room of them.
func (s *shelf) simple(ctx context.Context, room int) ([]attached, error) {
	tag := strings.Replace(s.ref.DigestStr(), ":", "-", 1) + ".sig"
	manifest, err := s.manifest(ctx, s.ref.Context().Tag(tag))
	switch {
	case notFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	var found []attached
	for _, layer := range manifest.Layers {
		if string(layer.MediaType) == simpleType && len(found) < room {
			found = append(found, newAttached(layer, checkSimple(layer.Annotations[signatureAnnotation])))
		}
	}
	return found, nil
}

func newAttached(blob v1.Descriptor, check func([]key, []byte, name.Digest) error) attached {
	a := attached{blob: blob, check: check}
	if blob.Size > maxSignature {
		a.fault = &fault{what: tooLarge}
	}
	return a
}

const tooLarge = "it is larger than 256 KiB"

func (s *shelf) manifest(ctx context.Context, ref name.Reference) (*v1.Manifest, error) {
	got, err := remote.Get(ref, remote.WithContext(ctx), s.client)
	if err != nil {
		return nil, err
	}
	manifest, err := v1.ParseManifest(bytes.NewReader(got.Manifest))
	if err != nil {
		return nil, &fault{"its manifest is not an image manifest", err}
	}
	return manifest, nil
}

// blob fetches what a descriptor describes.
func (s *shelf) blob(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	layer, err := remote.Layer(s.ref.Context().Digest(d.Digest.String()), remote.WithContext(ctx), s.client)
	if err != nil {
		return nil, err
	}
	body, err := layer.Compressed() // as stored
	if notFound(err) {
		return nil, &fault{"it is listed, but not there", err}
	} else if err != nil {
		return nil, err
	}
	defer body.Close()
	// The size in the manifest may be wrong.
	data, err := io.ReadAll(io.LimitReader(body, maxSignature+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxSignature {
		return nil, &fault{what: tooLarge}
	}
	return data, nil
}

func notFound(err error) bool {
	response, ok := errors.AsType[*transport.Error](err)
	return ok && response.StatusCode == http.StatusNotFound
}
