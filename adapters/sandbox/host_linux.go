//go:build amd64 || arm64

package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sallyport/sallyport"
)

// Host ids that tools run as where the runner is root. The first is in a range
// that systemd leaves unused, so that it owns nothing; the second, the kernel's
// overflow id, is for containers that have few ids.
const (
	unusedID   = 1_900_000_000
	overflowID = 65534
)

// ids are the user and group of the host that a tool runs as.
type ids struct {
	uid, gid int
	root     bool // the runner is root, and tools must run as another user
}

// hostIDs chooses ids that this user namespace has.
func hostIDs(euid, egid int, readFile func(string) ([]byte, error)) (ids, error) {
	if euid != 0 {
		return ids{uid: euid, gid: egid}, nil
	}
	uids, err := readFile("/proc/self/uid_map")
	if err != nil {
		return ids{}, fmt.Errorf("read the user ids of this user namespace: %w", err)
	}
	gids, err := readFile("/proc/self/gid_map")
	if err != nil {
		return ids{}, fmt.Errorf("read the group ids of this user namespace: %w", err)
	}
	for _, id := range []int{unusedID, overflowID} {
		if mapped(uids, id) && mapped(gids, id) {
			return ids{uid: id, gid: id, root: true}, nil
		}
	}
	return ids{}, fmt.Errorf("this user namespace has only root, and tools must not run as root: run the gateway as an ordinary user, or map id %d", overflowID)
}

// mapped reports whether a map (user_namespaces(7)) has an id.
func mapped(idMap []byte, id int) bool {
	for line := range bytes.Lines(idMap) {
		var inside, outside, size int
		if n, _ := fmt.Sscan(string(line), &inside, &outside, &size); n == 3 && id >= inside && id-inside < size {
			return true
		}
	}
	return false
}

// seal copies the executor into sealed memory, which no process can change. A
// sandboxed tool has its own binary open: with a sealed copy neither a tool nor a
// careless upgrade changes the executor of the next call. The tool can read the
// copy even if only the gateway may enter the executor's directory.
func seal(path string) (*os.File, error) {
	fault := func(err error) error {
		return sallyport.Errorf(sallyport.Unavailable, sallyport.CodeNoExecutor,
			"sandbox: cannot use the executor %s: %w: build it with CGO_ENABLED=0 go build -o %[1]s ./cmd/toolexec", path, err)
	}
	source, err := os.Open(path)
	if err != nil {
		return nil, fault(err)
	}
	defer source.Close()
	writable, err := memoryFile()
	if err != nil {
		return nil, fault(err)
	}
	defer writable.Close()
	if _, err := io.Copy(writable, source); err != nil {
		return nil, fault(err)
	}
	if err := writable.Chmod(0o555); err != nil {
		return nil, fault(err)
	}
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(writable.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return nil, fault(err)
	}
	// A file that is open for writing can't be executed.
	sealed, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", writable.Fd()))
	if err != nil {
		return nil, fault(err)
	}
	return sealed, nil
}

func memoryFile() (*os.File, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("toolexec", flags|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // Linux before 6.3, where every one is executable
		fd, err = unix.MemfdCreate("toolexec", flags)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "toolexec"), nil
}

// unavailable is the error for a machine that has no sandbox to offer.
func unavailable(err error) error {
	return sallyport.Errorf(sallyport.Unavailable, sallyport.CodeSandboxUnavailable, "sandbox: %w. %s", err, advice(os.DirFS("/proc/sys")))
}

// advice tells an operator which setting of the kernel to change. sysctl is
// /proc/sys.
func advice(sysctl fs.FS) string {
	setting := func(name string) string {
		b, err := fs.ReadFile(sysctl, name)
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(b))
	}
	switch {
	case setting("user/max_user_namespaces") == "0":
		return "User namespaces are disabled here. Enable them with: sysctl -w user.max_user_namespaces=15000"
	case setting("kernel/unprivileged_userns_clone") == "0":
		return "Only root may create user namespaces here. Allow it with: sysctl -w kernel.unprivileged_userns_clone=1"
	case setting("kernel/apparmor_restrict_unprivileged_userns") == "1":
		return "AppArmor restricts user namespaces here. Give the gateway a profile with the rule userns, or: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
	case setting("vm/memfd_noexec") == "2":
		return "Programs in memory may not be executed here. Allow it with: sysctl -w vm.memfd_noexec=1"
	default:
		return "It needs user namespaces, which containers often forbid: run the gateway on the host, give its container a seccomp profile that allows clone with namespace flags, mount and pivot_root, or use the kube runner"
	}
}
