//go:build !linux || !(amd64 || arm64)

package confine

import "errors"

// Exec works on Linux only, on amd64 and arm64.
func Exec() error {
	return errors.New("confine: this platform has no sandbox; it needs Linux on amd64 or arm64")
}

// Launch works where Exec does.
func Launch() error { return Exec() }
