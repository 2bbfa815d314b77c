package sandbox

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/tools"
	"github.com/sallyport/sallyport/tools/wire"
)

// Limits of the broker's work for one run.
const (
	maxRequests     = 16
	maxRequestLine  = 8 << 10
	maxResponseBody = 64 << 10
	requestTimeout  = 15 * time.Second
)

// deniedPrefix begins the broker's error when it refuses a request, so that
// tools can tell a refusal from a server that doesn't respond.
const deniedPrefix = sallyport.CodeEgressDenied + ": "

// broker serves one executor's requests, one after the other. It does not trust
// the executor: it checks every request against the manifest.
type broker struct {
	manifest  tools.Manifest
	transport *http.Transport
	served    int
}

// brokerTransport is a transport that connects to the host of the URL alone: it
// uses no proxy and keeps no connection.
func brokerTransport(t *http.Transport) *http.Transport {
	if t == nil {
		t = &http.Transport{
			DialContext:            (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout:    5 * time.Second,
			ResponseHeaderTimeout:  10 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
		}
	}
	t = t.Clone()
	t.Proxy = nil
	t.DisableKeepAlives = true
	// The limit of the body counts the bytes that the tool gets.
	t.DisableCompression = true
	return t
}

// serve responds until the connection or ctx ends, and closes the connection
// after a line that is too long.
func (b *broker) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewReaderSize(conn, maxRequestLine)
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return
		}
		response, err := json.Marshal(b.respond(ctx, line))
		if err != nil {
			return
		}
		if _, err := conn.Write(append(response, '\n')); err != nil {
			return
		}
	}
}

// respond returns the response to one line. Its Error says why the request was
// refused or failed.
func (b *broker) respond(ctx context.Context, line []byte) wire.BrokerResponse {
	request, err := b.admit(line)
	if err != nil {
		return wire.BrokerResponse{Error: err.Error()}
	}
	start := time.Now()
	response, err := b.do(ctx, request)
	if err != nil {
		response = wire.BrokerResponse{Error: reason(err)}
	}
	response.DurationMS = time.Since(start).Milliseconds()
	return response
}

// admit decides whether a request may be made.
func (b *broker) admit(line []byte) (wire.BrokerRequest, error) {
	var r wire.BrokerRequest
	canonical, err := strict.JSON(line, strict.TakenLimits)
	if err == nil {
		err = strict.Decode(canonical, &r)
	}
	if err != nil {
		return r, fmt.Errorf("the request is malformed: %w", err)
	}
	b.served++
	switch {
	case b.served > maxRequests:
		return r, fmt.Errorf(deniedPrefix+"the run has made its %d requests, which is the most that a run may make", maxRequests)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return r, errors.New(deniedPrefix + "the method must be GET or HEAD")
	case !b.manifest.EgressAllows(r.URL):
		return r, errors.New(deniedPrefix + "the URL has none of the prefixes that the tool's manifest permits (egress)")
	}
	return r, nil
}

// do makes one request. It uses the transport itself, because a client would
// follow redirects.
func (b *broker) do(ctx context.Context, r wire.BrokerRequest) (wire.BrokerResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, r.Method, r.URL, nil)
	if err != nil {
		return wire.BrokerResponse{}, err
	}
	request.Header.Set("User-Agent", "sallyport")
	response, err := b.transport.RoundTrip(request)
	if err != nil {
		return wire.BrokerResponse{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxResponseBody+1))
	if err != nil {
		return wire.BrokerResponse{}, err
	}
	out := wire.BrokerResponse{Status: response.StatusCode, Header: someHeaders(response.Header), Body: body}
	if len(body) > maxResponseBody {
		out.Body, out.Truncated = body[:maxResponseBody], true
	}
	return out, nil
}

// someHeaders returns the headers that describe the response. Tools get no
// cookies and no credentials.
func someHeaders(h http.Header) map[string]string {
	kept := map[string]string{}
	for _, name := range []string{"Cache-Control", "Content-Length", "Content-Type", "Date", "Etag", "Last-Modified", "Location", "Retry-After", "Server"} {
		if v := h.Get(name); v != "" && len(v) <= 1024 {
			kept[name] = v
		}
	}
	return kept
}

// reason describes an error without facts that tools must not learn, such as
// the addresses that a name resolves to.
func reason(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return "cancelled"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "the request timed out"
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "the host name does not resolve"
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return "the connection failed"
	}
	if _, ok := errors.AsType[*url.Error](err); ok {
		return "the URL is invalid"
	}
	return "the response could not be read"
}
