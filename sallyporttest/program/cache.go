//go:build unix

package program

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// unused is how long programs are kept after their last use.
const unused = 30 * 24 * time.Hour

// open makes a directory of the user's cache, named by a hash of key, and locks
// it against other processes. It removes directories that no test has used for
// long.
func open(ctx context.Context, w io.Writer, key string) (dir string, unlock func(), err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", nil, err
	}
	all := filepath.Join(cache, "sallyport", "programs")
	dir = filepath.Join(all, fmt.Sprintf("%x", sha256.Sum256([]byte(key)))[:16])
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, err
	}
	unlock, err = lock(ctx, filepath.Join(dir, "lock"), w)
	if err != nil {
		return "", nil, err
	}
	now := time.Now()
	if err := errors.Join(os.Chtimes(dir, now, now), prune(all, now.Add(-unused))); err != nil {
		unlock()
		return "", nil, err
	}
	return dir, unlock, nil
}

// prune removes the directories that were not used since then.
func prune(all string, then time.Time) error {
	entries, err := os.ReadDir(all)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && info.ModTime().Before(then) {
			err = os.RemoveAll(filepath.Join(all, e.Name()))
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) { // another process prunes too
			return err
		}
	}
	return nil
}

// lock waits until no other process has the file locked.
func lock(ctx context.Context, name string, w io.Writer) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for told := false; ; told = true {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", name, err), f.Close())
		}
		if !told {
			_, _ = fmt.Fprintf(w, "Another process builds programs in %s: waiting for it.\n", filepath.Dir(name))
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		case <-again.C:
		}
	}
}
