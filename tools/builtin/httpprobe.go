package builtin

import (
	"context"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools/wire"
)

// maxContentType bounds a server's content type in the result.
const maxContentType = 200

// The methods that a probe may use. They are written out because net/http
// takes longer to initialise than everything else the executor does.
const (
	methodGet  = "GET"
	methodHead = "HEAD"
)

// httpProbe is http_probe: it has the broker request a URL, and returns the status
// of the response but not its body.
func httpProbe(ctx context.Context, req wire.Request, broker Broker) (wire.Response, error) {
	var arguments struct {
		URL    string `json:"url"`
		Method string `json:"method"`
	}
	if err := decode(req, &arguments); err != nil {
		return wire.Response{}, err
	}
	if arguments.Method == "" {
		arguments.Method = methodGet
	}
	if req.Mode == wire.ModePlan {
		return wire.PlanNothing("asks %s with %s and changes nothing", arguments.URL, arguments.Method)
	}
	if broker == nil {
		return wire.Response{}, failf(sallyport.CodeUnreachable, "no broker to request the URL with")
	}
	response, err := broker.Do(ctx, wire.BrokerRequest{Method: arguments.Method, URL: arguments.URL})
	if err != nil {
		return wire.Response{}, failf(sallyport.CodeUnreachable, "the broker did not respond: %v", err)
	}
	if code, message, bad := brokerFailure(response); bad {
		return wire.Response{}, failf(code, "%s", message)
	}
	return wire.Result(struct {
		URL           string `json:"url"`
		Method        string `json:"method"`
		Status        int    `json:"status"`
		DurationMS    int64  `json:"duration_ms"`
		ContentType   string `json:"content_type"`
		ContentLength *int64 `json:"content_length"` // null if unknown
	}{arguments.URL, arguments.Method, response.Status, response.DurationMS, contentType(response), contentLength(response, arguments.Method)})
}

// brokerFailure distinguishes a URL that the broker refuses from a server that is out of
// reach.
func brokerFailure(response wire.BrokerResponse) (code, message string, bad bool) {
	switch {
	case response.Error == "":
		return "", "", false
	case strings.HasPrefix(response.Error, sallyport.CodeEgressDenied):
		return sallyport.CodeEgressDenied, "the tool's manifest does not list this URL: " + response.Error, true
	default:
		return sallyport.CodeUnreachable, "the URL did not respond: " + response.Error, true
	}
}

func header(response wire.BrokerResponse, name string) string {
	for k, v := range response.Header {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

func contentType(response wire.BrokerResponse) string {
	return sallyport.Head(sallyport.Visible(header(response, "Content-Type")), maxContentType)
}

// contentLength is the server's own figure, or else the length of the body. A
// HEAD has no body to measure.
func contentLength(response wire.BrokerResponse, method string) *int64 {
	if n, err := strconv.ParseInt(header(response, "Content-Length"), 10, 64); err == nil && n >= 0 {
		return &n
	}
	if response.Truncated || method == methodHead {
		return nil
	}
	n := int64(len(response.Body))
	return &n
}
