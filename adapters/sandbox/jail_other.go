//go:build !linux || !(amd64 || arm64)

package sandbox

import (
	"context"
	"errors"
	"runtime"

	"github.com/sallyport/sallyport"
)

// jail stands in for the sandbox on other platforms, so that the package compiles.
type jail struct{}

func newJail(string, []string) (*jail, error) {
	return nil, sallyport.Errorf(sallyport.Unavailable, sallyport.CodeSandboxUnavailable,
		"sandbox: there is none on %s/%s; it needs Linux on amd64 or arm64. Use the kube runner, or run the gateway in a Linux virtual machine",
		runtime.GOOS, runtime.GOARCH)
}

func (*jail) run(context.Context, job) (ending, error) {
	return ending{}, errors.New("sandbox: this platform has none; it needs Linux on amd64 or arm64")
}

func (*jail) close() error { return nil }
