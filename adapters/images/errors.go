package images

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/sallyport/sallyport"
)

var imageByDigest = regexp.MustCompile(`^([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?(/[a-z0-9._-]+)+@sha256:[0-9a-f]{64}$`)

// fault describes why a signature is not valid. Its text is the gateway's own;
// the cause may quote untrusted text of a registry or a signer.
type fault struct {
	what  string
	cause error
}

func (f *fault) Error() string {
	if f.cause == nil {
		return f.what
	}
	return fmt.Sprintf("%s: %v", f.what, f.cause)
}

func (f *fault) Unwrap() error { return f.cause }

// denied is the error of an image that must not run.
func denied(cause *fault, code, format string, args ...any) *sallyport.Error {
	e := sallyport.Errorf(sallyport.Denied, code, format, args...)
	if cause != nil {
		e.Err = cause
	}
	return e
}

// unavailable is the error of an image whose signatures could not be fetched.
func unavailable(ref name.Digest, cause error) *sallyport.Error {
	e := sallyport.Errorf(sallyport.Unavailable, sallyport.CodeRegistryUnavailable, "could not verify the signature of %s: its registry %s", shown(ref.Name()), trouble(cause))
	e.Err = cause
	return e
}

// trouble describes a registry's failure without quoting the registry.
func trouble(err error) string {
	if response, ok := errors.AsType[*transport.Error](err); ok {
		return fmt.Sprintf("responded with status %d", response.StatusCode)
	}
	timeout, ok := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, errScheme):
		return "redirects to another scheme than https: " + errScheme.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), ok && timeout.Timeout():
		return "did not respond in time"
	case errors.Is(err, context.Canceled):
		return "had not responded when the request was cancelled"
	default:
		return "is out of reach, or does not respond as a registry does"
	}
}

// shown quotes the name of an image, which is untrusted text.
func shown(image string) string { return sallyport.Inline(image, 400) }
