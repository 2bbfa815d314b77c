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

// Limits of what the broker does for one run.
const (
	maxRequests     = 16
	maxRequestLine  = 8 << 10
	maxResponseBody = 64 << 10
	requestTimeout  = 15 * time.Second
)

// deniedPrefix begins what the broker says when a request is refused, so that
// tools can tell that from a server that doesn't answer.
const deniedPrefix = sallyport.CodeEgressDenied + ": "

// broker answers one executor's requests, one after the other. The executor
// is not trusted: every request is held against the manifest here.
type broker struct {
	manifest  tools.Manifest
	transport *http.Transport
	served    int
}

// brokerTransport is a transport that only ever connects to the host of the
// URL, for this request.
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
	// The limit of the body must count what the tool gets.
	t.DisableCompression = true
	return t
}

// serve answers until the connection or ctx ends, and ends it after a line
// that is too long.
func (b *broker) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewReaderSize(conn, maxRequestLine)
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return
		}
		answer, err := json.Marshal(b.answer(ctx, line))
		if err != nil {
			return
		}
		if _, err := conn.Write(append(answer, '\n')); err != nil {
			return
		}
	}
}

// answer is the response to one line. Its Error says what was refused, or
// what went wrong on the way.
func (b *broker) answer(ctx context.Context, line []byte) wire.BrokerResponse {
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
	canonical, err := strict.JSON(line, strict.DefaultLimits)
	if err == nil {
		err = strict.Decode(canonical, &r)
	}
	if err != nil {
		return r, fmt.Errorf("the request is malformed: %w", err)
	}
	b.served++
	switch {
	case b.served > maxRequests:
		return r, fmt.Errorf(deniedPrefix+"a run may make %d requests", maxRequests)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return r, errors.New(deniedPrefix + "the method must be GET or HEAD")
	case !b.manifest.EgressAllows(r.URL):
		return r, errors.New(deniedPrefix + "the URL is under no egress prefix of the tool's manifest")
	}
	return r, nil
}

// do makes one request. It uses the transport itself, for a client would
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

// someHeaders are those that describe the response. Cookies and credentials
// are none of the tool's business.
func someHeaders(h http.Header) map[string]string {
	kept := map[string]string{}
	for _, name := range []string{"Cache-Control", "Content-Length", "Content-Type", "Date", "Etag", "Last-Modified", "Location", "Retry-After", "Server"} {
		if v := h.Get(name); v != "" && len(v) <= 1024 {
			kept[name] = v
		}
	}
	return kept
}

// reason says what went wrong without what is known here only, such as the
// addresses that a name resolves to.
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
		return "the URL can't be requested"
	}
	return "the response could not be read"
}
