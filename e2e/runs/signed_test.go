//go:build e2e

package runs_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/images"
	"github.com/sallyport/sallyport/sallyporttest"
)

// TestSignedImage: where policy requires a signature, the worker creates nothing
// in the cluster for an image without one, and runs it once it is signed with the
// operators' key.
func TestSignedImage(t *testing.T) {
	t.Parallel()
	shop := httptest.NewTLSServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(shop.Close)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, stranger, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	o := options(t, bench.worker)
	o.Images, err = images.New(images.Options{
		Keys:      []string{string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))},
		Transport: stands(shop),
	})
	if err != nil {
		t.Fatal(err)
	}
	r := served(t, o)
	call := func() (sallyport.Intent, sallyport.Outcome, error) {
		i := intent(t, "odd_say", map[string]any{"word": "hello"})
		outcome, err := r.Run(t.Context(), sallyporttest.AllowedPermit(t, i, sallyport.Obligations{SignedImage: true}))
		return i, outcome, err
	}
	for _, tt := range []struct {
		reason, code string
		before       func()
	}{
		{"the image has no signature", "image_unsigned", func() {}},
		{"a key that the worker does not trust signed it", "image_signature_invalid", func() { sign(t, shop, bench.odd, stranger) }},
	} {
		tt.before()
		i, outcome, err := call()
		if sallyport.KindOf(err) != sallyport.Denied || sallyport.AsError(err).Code != tt.code {
			t.Errorf("Run = %+v, %v; want it refused with %s: %s", outcome, err, tt.code, tt.reason)
		}
		if n := len(jobs(t, i.CallID)); n > 0 {
			t.Errorf("there are %d Jobs: %s", n, tt.reason)
		}
		wantNothingLeft(t, i)
	}
	sign(t, shop, bench.odd, private)
	if i, outcome, err := call(); err != nil || outcome.State != sallyport.StateSucceeded || len(jobs(t, i.CallID)) != 1 {
		t.Errorf("signed: Run = %+v (%+v), %v", outcome, outcome.Error, err)
	}
}

// stands has a registry stand for that from which images are named.
func stands(shop *httptest.Server) http.RoundTripper {
	roots := x509.NewCertPool()
	roots.AddCert(shop.Certificate())
	return &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, shop.Listener.Addr().String())
		},
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS12}, // as its certificate says
	}
}

// sign stores a signature of an image beside it, as cosign does.
func sign(t *testing.T, shop *httptest.Server, image string, key ed25519.PrivateKey) {
	t.Helper()
	repository, digest, _ := strings.Cut(strings.TrimPrefix(image, "cluster.local/"), "@")
	repository, _, _ = strings.Cut(repository, ":")
	payload := fmt.Sprintf(`{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, digest)
	type descriptor struct {
		MediaType   string            `json:"mediaType"`
		Digest      string            `json:"digest"`
		Size        int               `json:"size"`
		Annotations map[string]string `json:"annotations,omitempty"`
	}
	blob := func(mediaType, text string, annotations map[string]string) descriptor {
		d := descriptor{mediaType, fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text))), len(text), annotations}
		upload(t, shop, http.MethodPost, "/v2/"+repository+"/blobs/uploads/?digest="+d.Digest, "application/octet-stream", text)
		return d
	}
	const manifestType = "application/vnd.oci.image.manifest.v1+json"
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": manifestType, "config": blob("application/vnd.oci.image.config.v1+json", "{}", nil),
		"layers": []descriptor{blob("application/vnd.dev.cosign.simplesigning.v1+json", payload, map[string]string{
			"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(ed25519.Sign(key, []byte(payload))),
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	upload(t, shop, http.MethodPut, "/v2/"+repository+"/manifests/"+strings.Replace(digest, ":", "-", 1)+".sig", manifestType, string(manifest))
}

func upload(t *testing.T, shop *httptest.Server, method, path, mediaType, text string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, shop.URL+path, bytes.NewBufferString(text))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", mediaType)
	res, err := shop.Client().Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if said, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusCreated {
		t.Fatalf("%s %s: %s: %s, %v", method, path, res.Status, said, err)
	}
}
