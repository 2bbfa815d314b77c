//go:build amd64 || arm64

package confine

import (
	"errors"
	"fmt"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
)

// addressSpaceMiB is more than a Go program reserves without using it.
// The limit keeps a tool from making the kernel spend memory on page tables.
const addressSpaceMiB = 8192

// untouchedMiB is how much memory a Go program maps as writable besides its heap
// and never touches: 32 MiB to find arenas by, and with the crypto packages a
// 32 MiB buffer of their entropy source (measured with Go 1.26; 78 MiB are
// needed to start).
const untouchedMiB = 72

// setLimits sets both the soft and the hard limits. Together with the filter,
// which allows neither a second process nor shared memory, MemoryMiB and
// TmpMiB bound the memory of the whole sandbox.
func setLimits(s Spec) error {
	for _, l := range []struct {
		name     string
		resource int
		value    uint64
	}{
		{"data", unix.RLIMIT_DATA, (untouchedMiB + s.MemoryMiB) << 20},
		{"address space", unix.RLIMIT_AS, (addressSpaceMiB + s.MemoryMiB) << 20},
		{"stack", unix.RLIMIT_STACK, 8 << 20},
		{"processes", unix.RLIMIT_NPROC, s.Processes},
		{"open files", unix.RLIMIT_NOFILE, s.OpenFiles},
		// A full /tmp is an error for the tool; this limit would be a signal.
		{"file size", unix.RLIMIT_FSIZE, (s.TmpMiB + 1) << 20},
		{"CPU time", unix.RLIMIT_CPU, s.CPUSeconds},
		{"core size", unix.RLIMIT_CORE, 0},
		{"locked memory", unix.RLIMIT_MEMLOCK, 0},
		{"message queues", unix.RLIMIT_MSGQUEUE, 0},
		{"pending signals", unix.RLIMIT_SIGPENDING, 64},
	} {
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: l.value, Max: l.value}); err != nil {
			return fmt.Errorf("limit %s to %d: %w", l.name, l.value, err)
		}
	}
	return nil
}

// dropPrivileges gives up every capability for good, and then the thread's access
// to files, sockets and other processes.
func dropPrivileges() error {
	for c := uintptr(0); ; c++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) && c > unix.CAP_LAST_CAP/2 {
			break // past the last capability that this kernel knows
		}
		if err != nil {
			return fmt.Errorf("drop capability %d from the bounding set: %w", c, err)
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("clear ambient capabilities: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("forbid new privileges: %w", err)
	}
	// On kernels without Landlock, or with an older one, the restriction is
	// weaker: the mount and network namespaces hold without it.
	if err := landlock.V11.BestEffort().Restrict(
		landlock.RODirs("/proc"),
		landlock.ROFiles("/dev/zero", "/dev/urandom", "/toolexec").IgnoreIfMissing(),
		landlock.RWFiles("/dev/null"),
		landlock.RWDirs("/tmp"),
	); err != nil {
		return fmt.Errorf("restrict with Landlock: %w", err)
	}
	return nil
}
