//go:build !race

package server

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/sallyport/sallyport"
)

// lock keeps other servers off a directory until the file is closed, or the
// process is gone. Two servers on one database would each undo what the
// other did.
func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "temporal.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the Temporal server's directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, sallyport.Errorf(sallyport.Conflict, "locked", "another Temporal server runs on %s: stop it first (%w)", dir, err)
	}
	return f, nil
}
