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

// fault is what is wrong with a signature. What it says is ours; the cause may
// quote what a stranger wrote.
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

// refusal says that an image is not to run.
func refusal(cause *fault, code, format string, args ...any) *sallyport.Error {
	e := sallyport.Errorf(sallyport.Denied, code, format, args...)
	if cause != nil {
		e.Err = cause
	}
	return e
}

// unavailable says that nobody knows whether an image is signed.
func unavailable(ref name.Digest, cause error) *sallyport.Error {
	e := sallyport.Errorf(sallyport.Unavailable, sallyport.CodeRegistryUnavailable, "whether %s is signed is not known: its registry %s", shown(ref.Name()), trouble(cause))
	e.Err = cause
	return e
}

// trouble says in words of ours what a registry did.
func trouble(err error) string {
	if answer, ok := errors.AsType[*transport.Error](err); ok {
		return fmt.Sprintf("answered with status %d", answer.StatusCode)
	}
	timeout, ok := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, errScheme):
		return "leads to another scheme than https: " + errScheme.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), ok && timeout.Timeout():
		return "did not answer in time"
	case errors.Is(err, context.Canceled):
		return "was not waited for"
	default:
		return "can't be reached, or does not answer as a registry does"
	}
}

// shown quotes the name of an image, which somebody else may have chosen.
func shown(image string) string { return sallyport.Inline(image, 400) }
