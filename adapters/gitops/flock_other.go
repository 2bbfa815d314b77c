//go:build !unix

package gitops

import (
	"errors"
	"os"
)

// tryFlock refuses: without a lock that ends with its process, a commit could
// be lost.
func tryFlock(*os.File) (bool, error) {
	return false, errors.New("committing needs a Unix system's file locks")
}
