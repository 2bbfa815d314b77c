package temporaltest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// program is the path of cmd/temporald, built at the first call.
var program = sync.OnceValues(build) //nolint:gochecknoglobals // one build per process

const programPackage = "github.com/sallyport/sallyport/dev/cmd/temporald"

// build builds cmd/temporald. The file is one per module directory, so that
// the Go tool can see that it is up to date and another clone doesn't change
// it; the lock is for test programs that run at once.
func build() (string, error) {
	module, err := exec.Command("go", "env", "GOMOD").Output() //nolint:noctx // as long as it takes
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory: %w", err)
	}
	key := sha256.Sum256([]byte(strings.TrimSpace(string(module))))
	dir := filepath.Join(cache, "sallyport", "temporaltest", hex.EncodeToString(key[:8]))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(dir, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	path := filepath.Join(dir, "temporald")
	cmd := exec.Command("go", "build", "-race=false", "-ldflags=-s -w", "-o", path, programPackage) //nolint:noctx,gosec // as long as it takes; the arguments are ours
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", programPackage, err, out)
	}
	return path, nil
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
