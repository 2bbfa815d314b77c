//go:build unix

package gitops

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// tryFlock locks a file for as long as it is open, unless another process has.
func tryFlock(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
		return false, nil
	}
	return err == nil, err
}
