package strict

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxSecret bounds a file of a secret, in bytes.
const maxSecret = 64 << 10

// Secret reads a text as [Private] does, without the space around it.
func Secret(path string) (string, error) {
	b, err := Private(path)
	return strings.TrimSpace(string(b)), err
}

// Private reads a secret's file, and rejects one that other users may use: only
// its owner may read and write it. If this process is not root, the file's group
// may read it in two cases, in which Kubernetes mounts Secrets and tokens: root
// owns the file, or this process owns it and the group has the number of its user.
func Private(path string) ([]byte, error) {
	data, info, err := read(path, maxSecret)
	if err != nil {
		return nil, err
	}
	if err := private(info, uid()); err != nil {
		return nil, fmt.Errorf("%s %w", path, err)
	}
	return data, nil
}

// WritePrivate replaces a file as a whole by one that its owner alone may read.
func WritePrivate(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".secret-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// ReadFile reads a file of at most limit bytes.
func ReadFile(path string, limit int64) ([]byte, error) {
	data, _, err := read(path, limit)
	return data, err
}

// read takes the content and the mode from the one file that it opens.
func read(path string, limit int64) ([]byte, fs.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, nil, err
	}
	if int64(len(data)) > limit {
		return nil, nil, fmt.Errorf("%s: is longer than %d bytes", path, limit)
	}
	return data, info, nil
}

func private(info fs.FileInfo, uid int) error {
	others := fs.FileMode(0o077)
	if uid != 0 && (ownedByRoot(info) || ownedAlone(info, uid)) {
		others = 0o037
	}
	if mode := info.Mode().Perm(); mode&others != 0 {
		return fmt.Errorf("has mode %04o: others may use it; chmod 0600 it, and replace the secret if another user may have read it", mode)
	}
	return nil
}
