package images

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/sallyport/sallyport/strict"
)

// What one verification may ask of a registry, and read from it. An honest one
// takes a handful of requests, and some kilobytes.
const (
	maxRequests = 128
	maxBytes    = 8 << 20
)

// errScheme says that a request would leave https, or the machine.
var errScheme = errors.New("plain http is only for registries on the " + strict.LoopbackRule + ", and a redirect keeps its scheme")

// errTooMuch says that a registry had its requests and bytes.
var errTooMuch error = &fault{what: "its registry sends too much, or redirects too often"}

// bounded carries the requests of one verification. What a registry's client
// asks for, follows or is told to ask elsewhere all comes through here.
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

// permits reports whether a request may be made. Where it was redirected from
// says the response that caused it.
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
