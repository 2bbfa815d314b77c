package images_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/images"
)

func wantCode(t *testing.T, err error, kind sallyport.Kind, code, says string) {
	t.Helper()
	if sallyport.KindOf(err) != kind || sallyport.CodeOf(err) != code || !strings.Contains(err.Error(), says) {
		t.Errorf("%v (%s, %s); want %s, %s, with %q in it", err, sallyport.KindOf(err), sallyport.CodeOf(err), kind, code, says)
	}
}

// TestTrouble: a registry's failure is never taken for a result, and never takes
// long.
func TestTrouble(t *testing.T) {
	status := func(code int, word string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, word) {
				return false
			}
			http.Error(w, "no\u202e", code)
			return true
		}
	}
	silent := func(word string) func(http.ResponseWriter, *http.Request) bool {
		return func(_ http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, word) {
				return false
			}
			<-r.Context().Done()
			return true
		}
	}
	for name, tt := range map[string]struct {
		reason string
		front  func(http.ResponseWriter, *http.Request) bool
		kind   sallyport.Kind
		code   string
		says   string
	}{
		"Failing":           {"a registry that is ill says nothing", status(500, "/v2/"), sallyport.Unavailable, "registry_unavailable", "status 500"},
		"FailingLate":       {"what can't be fetched may be good", status(503, "/blobs/"), sallyport.Unavailable, "registry_unavailable", "status 503"},
		"FailingReferrers":  {"there may be a good one in the list that can't be read", status(500, "/referrers/"), sallyport.Unavailable, "registry_unavailable", "status 500"},
		"Busy":              {"a limit on requests passes", status(429, "/referrers/"), sallyport.Unavailable, "registry_unavailable", "status 429"},
		"Unauthorized":      {"what may not be seen may be there", status(401, "/referrers/"), sallyport.Unavailable, "registry_unavailable", "status 401"},
		"Silent":            {"the verifier does not wait for ever", silent("/v2/"), sallyport.Unavailable, "registry_unavailable", "in time"},
		"SilentLate":        {"the verifier does not wait for ever", silent("/blobs/"), sallyport.Unavailable, "registry_unavailable", "in time"},
		"BlobGone":          {"a signature that isn't there is none", status(404, "/blobs/"), sallyport.Denied, invalid, "not there"},
		"OtherBlob":         {"a blob is what its digest says", respond("/blobs/", `{"a":1}`), sallyport.Unavailable, "registry_unavailable", ""},
		"NoIndex":           {"a list that can't be read may hold a good one", typed("/referrers/", "application/vnd.oci.image.index.v1+json", "]"), sallyport.Denied, invalid, "list"},
		"Endless":           {"a list can be without end", endless("/referrers/"), sallyport.Denied, invalid, "too much"},
		"RedirectsForEver":  {"a chain of redirects can be without end", redirect("/blobs/", ""), sallyport.Denied, invalid, "too often"},
		"RedirectsToScheme": {"a redirect can lead out of a machine", redirect("/blobs/", "https://127.0.0.1:1/x"), sallyport.Unavailable, "registry_unavailable", "scheme"},
		"RedirectsOutward":  {"plain http is for this machine alone", redirect("/blobs/", "http://registry.example.com/x"), sallyport.Unavailable, "registry_unavailable", "scheme"},
	} {
		t.Run(name, func(t *testing.T) {
			k, s := p256(t), newShop(t, true)
			s.refer(t, signType, p256(t).signed(t, s.image))
			s.label(t, p256(t).simple(t, payload(s.image, "x")))
			s.behind(tt.front)
			timeout := time.Minute
			if strings.HasPrefix(name, "Silent") {
				timeout = 300 * time.Millisecond
			}
			err := newVerifier(t, images.Options{Keys: []string{k.pem(t)}, Timeout: timeout}).Verify(t.Context(), s.image.Name())
			wantCode(t, err, tt.kind, tt.code, tt.says)
			if strings.Contains(err.Error(), "\u202e") {
				t.Error("the error quotes the registry")
			}
		})
	}
}

func respond(word, text string) func(http.ResponseWriter, *http.Request) bool {
	return typed(word, "application/octet-stream", text)
}

func typed(word, mediaType, text string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, word) {
			return false
		}
		w.Header().Set("Content-Type", mediaType)
		_, _ = w.Write([]byte(text)) // the client sees what is missing
		return true
	}
}

func endless(word string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, word) {
			return false
		}
		w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				break
			}
		}
		return true
	}
}

// redirect leads to a place, or to where it leads from.
func redirect(word, to string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, word) {
			return false
		}
		target := to
		if target == "" {
			target = r.URL.Path
		}
		http.Redirect(w, r, target, http.StatusTemporaryRedirect)
		return true
	}
}

// TestGoodInSpiteOfTrouble: one signature suffices, wherever it is.
func TestGoodInSpiteOfTrouble(t *testing.T) {
	k, s := p256(t), newShop(t, true)
	s.label(t, k.simple(t, payload(s.image, "x")))
	s.behind(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/referrers/") {
			return false
		}
		http.Error(w, "no", http.StatusInternalServerError)
		return true
	})
	if err := newVerifier(t, images.Options{Keys: []string{k.pem(t)}}).Verify(t.Context(), s.image.Name()); err != nil {
		t.Error(err)
	}
}

func TestRegistryDown(t *testing.T) {
	s := newShop(t, true)
	s.Close()
	err := newVerifier(t, images.Options{Keys: []string{p256(t).pem(t)}}).Verify(t.Context(), s.image.Name())
	wantCode(t, err, sallyport.Unavailable, "registry_unavailable", "is out of reach")
}

func TestCallersDeadline(t *testing.T) {
	s := newShop(t, true)
	over := make(chan struct{}) // the verification goes on for other callers
	t.Cleanup(func() { close(over) })
	s.behind(func(http.ResponseWriter, *http.Request) bool { <-over; return true })
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(context.DeadlineExceeded)
	err := newVerifier(t, images.Options{Keys: []string{p256(t).pem(t)}, Timeout: time.Hour}).Verify(ctx, s.image.Name())
	wantCode(t, err, sallyport.Unavailable, "registry_unavailable", "in time")
}

// carrier carries requests by a function of the test.
type carrier func(*http.Request) (*http.Response, error)

func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) { return c(r) }

// TestPlainHTTPIsForLoopback: libraries use plain http for private addresses,
// *.local and localhost; the verifier does not.
func TestPlainHTTPIsForLoopback(t *testing.T) {
	for _, host := range []string{"10.0.0.1:5000", "192.168.0.1", "registry.local", "registry.local:5000", "registry.example.com", "127.0.0.1.example.com", "localhost:5000", "registry.localhost:5000"} {
		var mu sync.Mutex
		plain, all := 0, 0
		v := newVerifier(t, images.Options{Keys: []string{p256(t).pem(t)}, Transport: carrier(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			all++
			if r.URL.Scheme != "https" {
				plain++
			}
			return nil, errors.New("connection refused")
		})})
		err := v.Verify(t.Context(), host+"/tool@sha256:"+strings.Repeat("0", 64))
		wantCode(t, err, sallyport.Unavailable, "registry_unavailable", "")
		if mu.Lock(); plain > 0 || all == 0 {
			t.Errorf("%s was asked %d times, %d of them by plain http", host, all, plain)
		}
		mu.Unlock()
	}
}

// TestHTTPSStaysHTTPS: a remote registry can't redirect the verifier to this
// machine by plain http, nor name a token server here.
func TestHTTPSStaysHTTPS(t *testing.T) {
	var mu sync.Mutex
	asked := 0
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { mu.Lock(); asked++; mu.Unlock() }))
	t.Cleanup(inside.Close)
	for name, front := range map[string]http.HandlerFunc{
		"Redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, inside.URL, http.StatusFound) },
		"Realm": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+inside.URL+`",service="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		},
	} {
		t.Run(name, func(t *testing.T) {
			far := httptest.NewTLSServer(front)
			t.Cleanup(far.Close)
			// The registry's name is not the one of this machine.
			carry := carrier(func(r *http.Request) (*http.Response, error) {
				if r.URL.Host == "registry.example.com" {
					r = r.Clone(r.Context())
					r.URL.Host = strings.TrimPrefix(far.URL, "https://")
				}
				return far.Client().Transport.RoundTrip(r)
			})
			v := newVerifier(t, images.Options{Keys: []string{p256(t).pem(t)}, Transport: carry})
			err := v.Verify(t.Context(), "registry.example.com/tool@sha256:"+strings.Repeat("0", 64))
			wantCode(t, err, sallyport.Unavailable, "registry_unavailable", "")
			if mu.Lock(); asked > 0 {
				t.Error("a request reached the machine's inside")
			}
			mu.Unlock()
		})
	}
}

// TestOwnAuthority: the transport can trust a certificate authority of its own.
func TestOwnAuthority(t *testing.T) {
	k, s := p256(t), newShop(t, true)
	s.refer(t, signType, k.signed(t, s.image))
	secure := httptest.NewTLSServer(s.Config.Handler)
	t.Cleanup(secure.Close)
	image := strings.TrimPrefix(secure.URL, "https://") + "/" + s.image.Context().RepositoryStr() + "@" + s.image.DigestStr()
	strange := newVerifier(t, images.Options{Keys: []string{k.pem(t)}, Transport: &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}})
	wantCode(t, strange.Verify(t.Context(), image), sallyport.Unavailable, "registry_unavailable", "")
	known := newVerifier(t, images.Options{Keys: []string{k.pem(t)}, Transport: secure.Client().Transport})
	if err := known.Verify(t.Context(), image); err != nil {
		t.Error(err, sallyport.AsError(err).Err)
	}
}

// keychain has one password for every registry.
type keychain struct{ password string }

func (k keychain) Resolve(authn.Resource) (authn.Authenticator, error) {
	return &authn.Basic{Username: "worker", Password: k.password}, nil
}

func TestCredentials(t *testing.T) {
	k, s := p256(t), newShop(t, true)
	s.refer(t, signType, k.signed(t, s.image))
	s.behind(func(w http.ResponseWriter, r *http.Request) bool {
		if user, password, _ := r.BasicAuth(); user == "worker" && password == "right" {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	for name, tt := range map[string]struct {
		keychain authn.Keychain
		code     string
	}{"Right": {keychain{"right"}, ""}, "Wrong": {keychain{"wrong"}, "registry_unavailable"}, "None": {nil, "registry_unavailable"}} {
		err := newVerifier(t, images.Options{Keys: []string{k.pem(t)}, Keychain: tt.keychain}).Verify(t.Context(), s.image.Name())
		if sallyport.CodeOf(err) != tt.code {
			t.Errorf("%s: %v; want %q", name, err, tt.code)
		}
	}
}

// elsewhere is the same digest in another place.
func elsewhere(t *testing.T, image name.Digest, repository string) string {
	t.Helper()
	repo, err := name.NewRepository(image.RegistryStr() + "/" + repository)
	if err != nil {
		t.Fatal(err)
	}
	return repo.Digest(image.DigestStr()).Name()
}

func TestSignedIsRemembered(t *testing.T) {
	k, s := p256(t), newShop(t, true)
	s.refer(t, signType, k.signed(t, s.image))
	now := time.Date(2026, 11, 21, 22, 0, 0, 0, time.UTC)
	v := newVerifier(t, images.Options{Keys: []string{k.pem(t)}, Lifetime: time.Hour, Now: func() time.Time { return now }})
	other := elsewhere(t, s.image, "mirror/scale")
	wantCode(t, v.Verify(t.Context(), other), sallyport.Denied, unsigned, "") // nothing lies there
	if err := v.Verify(t.Context(), s.image.Name()); err != nil {
		t.Fatal(err)
	}
	s.Close()
	now = now.Add(time.Hour - time.Nanosecond)
	if err := v.Verify(t.Context(), s.image.Name()); err != nil {
		t.Errorf("within its lifetime: %v", err)
	}
	if err := v.Verify(t.Context(), other); err != nil {
		t.Errorf("the same digest elsewhere is the same image: %v", err)
	}
	now = now.Add(time.Nanosecond)
	wantCode(t, v.Verify(t.Context(), s.image.Name()), sallyport.Unavailable, "registry_unavailable", "")
}

func TestUnsignedIsNotRemembered(t *testing.T) {
	k, s := p256(t), newShop(t, true)
	v := newVerifier(t, images.Options{Keys: []string{k.pem(t)}})
	wantCode(t, v.Verify(t.Context(), s.image.Name()), sallyport.Denied, unsigned, "")
	s.refer(t, signType, p256(t).signed(t, s.image))
	wantCode(t, v.Verify(t.Context(), s.image.Name()), sallyport.Denied, invalid, "")
	s.refer(t, signType, k.signed(t, s.image))
	if err := v.Verify(t.Context(), s.image.Name()); err != nil {
		t.Error(err)
	}
}

// TestTogether: callers that verify an image at the same time share one
// verification, and a caller that gives up does not cancel it for the others.
func TestTogether(t *testing.T) {
	k, s := p256(t), newShop(t, true)
	s.refer(t, signType, k.signed(t, s.image))
	const callers = 20
	var calling sync.WaitGroup
	calling.Add(callers)
	s.behind(func(http.ResponseWriter, *http.Request) bool { calling.Wait(); return false })
	v := newVerifier(t, images.Options{Keys: []string{k.pem(t)}, Timeout: time.Hour})
	first, hangUp := context.WithCancel(t.Context())
	errs := make(chan error, callers)
	impatient := make(chan error, 1)
	go func() { impatient <- v.Verify(first, s.image.Name()) }()
	hangUp()
	if err := <-impatient; sallyport.CodeOf(err) != "registry_unavailable" {
		t.Errorf("a caller that gives up gets %v", err)
	}
	for range callers {
		go func() {
			calling.Done()
			errs <- v.Verify(t.Context(), s.image.Name())
		}()
	}
	for range callers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := s.requests("/referrers/"); n != 1 {
		t.Errorf("the registry was asked for signatures %d times", n)
	}
}
