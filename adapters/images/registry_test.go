package images_test

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// shop is a real registry on loopback, with an image in it.
type shop struct {
	*httptest.Server
	image name.Digest

	mu    sync.Mutex
	asked []string // paths
	front func(http.ResponseWriter, *http.Request) (done bool)
}

// newShop starts a registry, with the referrers API or without.
func newShop(t *testing.T, referrers bool) *shop {
	t.Helper()
	s := &shop{}
	back := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(referrers))
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.URL.Path)
		front := s.front
		s.mu.Unlock()
		if front == nil || !front(w, r) {
			back.ServeHTTP(w, r)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	s.image = s.push(t, "tools/scale")
	return s
}

// behind puts a handler in front of the registry.
func (s *shop) behind(front func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.front, s.asked = front, nil
}

// requests counts the requests with a word in their path.
func (s *shop) requests(word string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, path := range s.asked {
		if strings.Contains(path, word) {
			n++
		}
	}
	return n
}

// push writes a new image.
func (s *shop) push(t *testing.T, repository string) name.Digest {
	t.Helper()
	image, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	repo, err := name.NewRepository(strings.TrimPrefix(s.URL, "http://") + "/" + repository)
	if err != nil {
		t.Fatal(err)
	}
	ref := repo.Digest(digest.String())
	if err := remote.Write(ref, image); err != nil {
		t.Fatal(err)
	}
	return ref
}

// raw is a manifest as it is sent.
type raw struct {
	text      []byte
	mediaType types.MediaType
}

func (r raw) RawManifest() ([]byte, error)        { return r.text, nil }
func (r raw) MediaType() (types.MediaType, error) { return r.mediaType, nil }

// layer is a blob and how a manifest describes it.
type layer struct {
	data        []byte
	mediaType   string
	annotations map[string]string
	size        int64 // where it is not that of the data
}

// put writes a manifest of layers, and returns its digest.
func (s *shop) put(t *testing.T, tag string, m v1.Manifest, layers ...layer) v1.Hash {
	t.Helper()
	repo := s.image.Context()
	blob := func(data []byte, mediaType string) v1.Descriptor {
		l := static.NewLayer(data, types.MediaType(mediaType))
		if err := remote.WriteLayer(repo, l); err != nil {
			t.Fatal(err)
		}
		digest, err := l.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return v1.Descriptor{MediaType: types.MediaType(mediaType), Digest: digest, Size: int64(len(data))}
	}
	m.SchemaVersion, m.MediaType = 2, types.OCIManifestSchema1
	m.Config = blob([]byte("{}"), "application/vnd.oci.empty.v1+json")
	for _, l := range layers {
		d := blob(l.data, l.mediaType)
		d.Annotations = l.annotations
		if l.size != 0 {
			d.Size = l.size
		}
		m.Layers = append(m.Layers, d)
	}
	text := marshal(t, m)
	digest, _, err := v1.SHA256(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var ref name.Reference = repo.Digest(digest.String())
	if tag != "" {
		ref = repo.Tag(tag)
	}
	if err := remote.Put(ref, raw{text, types.OCIManifestSchema1}); err != nil {
		t.Fatal(err)
	}
	return digest
}

// fallbackTag is where a registry without the referrers API has its index.
func (s *shop) fallbackTag() name.Tag {
	return s.image.Context().Tag(strings.Replace(s.image.DigestStr(), ":", "-", 1))
}

// last moves what refers to the image to the end of that index, which is
// otherwise sorted by digest.
func (s *shop) last(t *testing.T, digest v1.Hash) {
	t.Helper()
	index, err := remote.Index(s.fallbackTag())
	if err != nil {
		t.Fatal(err)
	}
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(m.Manifests, func(d v1.Descriptor) bool { return d.Digest == digest })
	m.Manifests = append(slices.Delete(slices.Clone(m.Manifests), at, at+1), m.Manifests[at])
	if err := remote.Put(s.fallbackTag(), raw{marshal(t, m), types.OCIImageIndex}); err != nil {
		t.Fatal(err)
	}
}

// refer attaches a bundle to the shop's image, as cosign does. Without a
// predicate the descriptor does not describe the content.
func (s *shop) refer(t *testing.T, predicate string, bundle []byte) v1.Hash {
	t.Helper()
	digest, err := v1.NewHash(s.image.DigestStr())
	if err != nil {
		t.Fatal(err)
	}
	m := v1.Manifest{
		ArtifactType: bundleType,
		Subject:      &v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: digest, Size: 1},
		Annotations:  map[string]string{"dev.sigstore.bundle.content": "dsse-envelope"},
	}
	if predicate != "" {
		m.Annotations["dev.sigstore.bundle.predicateType"] = predicate
	}
	return s.put(t, "", m, layer{data: bundle, mediaType: bundleType})
}

// label attaches simple signatures to the shop's image, as older versions of
// cosign do.
func (s *shop) label(t *testing.T, layers ...layer) {
	t.Helper()
	s.put(t, s.fallbackTag().TagStr()+".sig", v1.Manifest{}, layers...)
}
