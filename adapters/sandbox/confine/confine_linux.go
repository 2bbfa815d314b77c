//go:build amd64 || arm64

package confine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Exec confines this process and replaces it with "toolexec run". It returns
// only on failure, after it has written the reason to the runner; the caller
// must exit.
//
// Call it first in main, in a process that the sandbox runner started: in any
// other process it changes nothing and returns an error.
func Exec() error {
	// Capabilities, Landlock and seccomp belong to a thread, and the thread
	// that calls exec is the one that becomes the tool.
	runtime.LockOSThread()
	if os.Getpid() != 1 || os.Getuid() != UID {
		return errors.New("confine: this process is not the first of a sandbox; only the sandbox runner starts it")
	}
	control := os.NewFile(ControlFD, "control")
	err := confine(control)
	// The runner reads the reason, if it still runs.
	_, _ = io.WriteString(control, err.Error())
	return err
}

func confine(control *os.File) error {
	// The kernel kills this process when the thread that started it ends. If the
	// runner died before this line, reading the specification below fails.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("tie to the runner: %w", err)
	}
	spec, err := readSpec(control)
	if err != nil {
		return err
	}
	binary, err := enterRoot(spec)
	if err != nil {
		return err
	}
	if err := setLimits(spec); err != nil {
		return err
	}
	if err := dropPrivileges(); err != nil {
		return err
	}
	// exec closes every descriptor above the broker's, including the runtime's.
	if err := unix.CloseRange(ControlFD, ^uint(0)>>33, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close inherited descriptors: %w", err)
	}
	if err := filterSyscalls(); err != nil {
		return err
	}
	env := []string{"GOMAXPROCS=2", fmt.Sprintf("GOMEMLIMIT=%dMiB", spec.MemoryMiB*3/4)}
	err = syscall.Exec(binary, []string{"toolexec", ArgRun}, env) //nolint:gosec // the sealed executor
	return fmt.Errorf("exec: %w", err)
}

func readSpec(control io.Reader) (Spec, error) {
	var s Spec
	data, err := io.ReadAll(io.LimitReader(control, 4096))
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		return Spec{}, fmt.Errorf("read the specification: %w", err)
	}
	if s.MemoryMiB == 0 || s.Processes == 0 || s.OpenFiles == 0 || s.TmpMiB == 0 || s.CPUSeconds == 0 {
		return Spec{}, errors.New("the specification lacks a limit; want all of memory, processes, open files, /tmp and CPU time")
	}
	return s, nil
}
