// Package builtin holds the built-in tools of the sandbox. Only the executor links
// it: each tool runs in a sandbox of its own, reads the files of its request, and
// makes HTTP requests through a broker.
package builtin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/tools/wire"
)

// Broker makes HTTP requests for a tool. An error means that the broker itself is
// out of reach.
type Broker interface {
	Do(ctx context.Context, r wire.BrokerRequest) (wire.BrokerResponse, error)
}

// tool carries out one request.
type tool func(ctx context.Context, req wire.Request, broker Broker) (wire.Response, error)

func all() map[string]tool {
	return map[string]tool{
		"gitops_get_manifest":     getManifest,
		"gitops_scale_deployment": scaleDeployment,
		"gitops_set_image":        setImage,
		"http_probe":              httpProbe,
	}
}

// Names of the tools that Run has, sorted.
func Names() []string { return slices.Sorted(maps.Keys(all())) }

// Run carries out a request. The response holds any error.
func Run(ctx context.Context, req wire.Request, broker Broker) wire.Response {
	run, ok := all()[req.Intent.Tool.Name]
	if !ok {
		return failure(failf(sallyport.CodeUnknownTool, "this executor has no tool %.64q", req.Intent.Tool.Name))
	}
	if req.Mode != wire.ModePlan && req.Mode != wire.ModeRun {
		return failure(failf(sallyport.CodeInvalidArguments, "there is no mode %.64q", req.Mode))
	}
	res, err := run(ctx, req, broker)
	if err != nil {
		return failure(err)
	}
	return res
}

// failed is a tool's failure as an error.
type failed struct {
	code, message string
}

func (f *failed) Error() string { return f.message }

func failf(code, format string, args ...any) error {
	return &failed{code: code, message: fmt.Sprintf(format, args...)}
}

func failure(err error) wire.Response {
	f, ok := errors.AsType[*failed](err)
	if !ok {
		f = &failed{code: sallyport.CodeInternal, message: err.Error()}
	}
	return wire.Response{Error: &sallyport.Failure{Code: f.code, Message: f.message}}
}

// decode reads a call's arguments.
func decode(req wire.Request, arguments any) error {
	if err := strict.Decode(req.Intent.Arguments, arguments); err != nil {
		return failf(sallyport.CodeInvalidArguments, "cannot parse the arguments: %v", err)
	}
	return nil
}
