// Package program builds this repository's programs, for tests that run them
// as processes: what links a Temporal server would otherwise have to be built
// for the race detector, and a test can't kill a part of its own process.
package program

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// Source is a program that can be built.
type Source struct {
	Package string // import path of the main package
}

// Build builds programs side by side and returns their directory, in which
// each is named like its package's directory. It takes as long as it takes:
// minutes where a Temporal server has never been built, else a second or two.
//
// The directory is in the user's cache, one per clone, so that the Go tool can
// see what is up to date and another clone changes nothing. Test programs that
// build at once wait for each other. They are built as the Makefile builds them:
// static, and without paths of this machine.
func Build(ctx context.Context, sources ...Source) (dir string, err error) {
	dir, err = directory(ctx)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(dir, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	for _, s := range sources {
		if err := s.build(ctx, filepath.Join(dir, path.Base(s.Package))); err != nil {
			return "", err
		}
	}
	return dir, nil
}

func directory(ctx context.Context) (string, error) {
	module, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory: %w", err)
	}
	clone := sha256.Sum256([]byte(strings.TrimSpace(string(module))))
	return filepath.Join(cache, "sallyport", "programs", hex.EncodeToString(clone[:8])), nil
}

func (s Source) build(ctx context.Context, to string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-race=false", "-trimpath", "-ldflags=-s -w", "-o", to, s.Package) //nolint:gosec // the arguments are ours
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", s.Package, err, out)
	}
	return nil
}

func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { _ = f.Close() }, nil
}
