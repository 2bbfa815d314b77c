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

// Private rejects a secret's file that other users may use: only its owner may
// read and write it. If this process is not root, the file's group may read it in
// two cases, in which Kubernetes mounts Secrets and tokens: root owns the file, or
// this process owns it and the group has the number of its user.
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
