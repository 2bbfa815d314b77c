package images

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/sallyport/sallyport/strict"
)

// Bounds of the requests of one verification, and of the bytes that it reads. An
// honest registry needs a handful of requests and some kilobytes.
const (
	maxRequests = 128
	maxBytes    = 8 << 20
)

// errScheme is the error of a request that would leave https, or use plain http
// to another machine.
var errScheme = errors.New("plain http is only for registries on the " + strict.LoopbackRule + ", and a redirect must keep its scheme")

// errTooMuch is the error of a verification that exceeds its bounds.
var errTooMuch error = &fault{what: "its registry sends too much, or redirects too often"}

// bounded carries all requests of one verification, including redirects and
// requests for tokens.
type bounded struct {
	carrier  http.RoundTripper
	requests atomic.Int64
	bytes    atomic.Int64
}

func (b *bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if !permits(r) {
		return nil, errScheme
	}
	if b.requests.Add(1) > maxRequests {
		return nil, errTooMuch
	}
	response, err := b.carrier.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	response.Body = &countedBody{ReadCloser: response.Body, read: &b.bytes}
	return response, nil
}

// permits reports whether a request may be made. For a redirect, r.Response is
// the response that caused it.
func permits(r *http.Request) bool {
	if r.Response != nil && r.Response.Request != nil && r.Response.Request.URL.Scheme != r.URL.Scheme {
		return false
	}
	return strict.SecureURL(r.URL)
}

// countedBody is a body that ends in an error once all bodies together are too
// long.
type countedBody struct {
	io.ReadCloser
	read *atomic.Int64
}

func (c *countedBody) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if c.read.Add(int64(n)) > maxBytes {
		return 0, errTooMuch
	}
	return n, err
}
