package strict

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Secret reads a file that others may not read, without the space around its
// content.
func Secret(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if err := Private(info); err != nil {
		return "", fmt.Errorf("%s %w", path, err)
	}
	b, err := os.ReadFile(path)
	return strings.TrimSpace(string(b)), err
}

// Private refuses a file of a secret that others may use. Its owner alone may
// read and write it. Where we are not root, a group may read it too that lets
// nobody else in: ours, of a file that root owns, which lends it to us and which
// we can't change; and that of our own number, of a file that we own. So
// Kubernetes mounts Secrets and tokens.
func Private(info fs.FileInfo) error { return private(info, uid()) }

func private(info fs.FileInfo, uid int) error {
	others := fs.FileMode(0o077)
	if uid != 0 && (ownedByRoot(info) || ownedAlone(info, uid)) {
		others = 0o037
	}
	if mode := info.Mode().Perm(); mode&others != 0 {
		return fmt.Errorf("has mode %04o: others may use it; chmod 0600 it", mode)
	}
	return nil
}
