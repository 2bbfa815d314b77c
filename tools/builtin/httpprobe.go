package builtin

import (
	"context"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools/wire"
)

// maxContentType is how much of a server's content type is told.
const maxContentType = 200

// The methods that a probe may use. They are written out because net/http
// takes longer to initialise than everything else the executor does.
const (
	methodGet  = "GET"
	methodHead = "HEAD"
)

// httpProbe is http_probe: it has the broker ask a URL, and tells how that
// went but not what came.
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
		return wire.Response{}, failf(sallyport.CodeUnreachable, "there is no broker to ask the URL")
	}
	answer, err := broker.Do(ctx, wire.BrokerRequest{Method: arguments.Method, URL: arguments.URL})
	if err != nil {
		return wire.Response{}, failf(sallyport.CodeUnreachable, "the broker did not answer: %v", err)
	}
	if code, message, refused := refusal(answer); refused {
		return wire.Response{}, failf(code, "%s", message)
	}
	return wire.Result(struct {
		URL           string `json:"url"`
		Method        string `json:"method"`
		Status        int    `json:"status"`
		DurationMS    int64  `json:"duration_ms"`
		ContentType   string `json:"content_type"`
		ContentLength *int64 `json:"content_length"` // null where it isn't known
	}{arguments.URL, arguments.Method, answer.Status, answer.DurationMS, contentType(answer), contentLength(answer, arguments.Method)})
}

// refusal tells the broker's word that the URL is not to be asked from that
// of a server that can't be reached.
func refusal(answer wire.BrokerResponse) (code, message string, refused bool) {
	switch {
	case answer.Error == "":
		return "", "", false
	case strings.HasPrefix(answer.Error, sallyport.CodeEgressDenied):
		return sallyport.CodeEgressDenied, "the tool's manifest does not list this URL: " + answer.Error, true
	default:
		return sallyport.CodeUnreachable, "the URL did not answer: " + answer.Error, true
	}
}

func header(answer wire.BrokerResponse, name string) string {
	for k, v := range answer.Header {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

func contentType(answer wire.BrokerResponse) string {
	return sallyport.Head(sallyport.Visible(header(answer, "Content-Type")), maxContentType)
}

// contentLength is what the server said, or else what came. A HEAD has no
// body to measure.
func contentLength(answer wire.BrokerResponse, method string) *int64 {
	if n, err := strconv.ParseInt(header(answer, "Content-Length"), 10, 64); err == nil && n >= 0 {
		return &n
	}
	if answer.Truncated || method == methodHead {
		return nil
	}
	n := int64(len(answer.Body))
	return &n
}
