//go:build amd64 || arm64

package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/sandbox/confine"
)

// cgroups makes control groups in the directories that an operator delegated to
// the gateway. Versions 1 and 2 differ in the names of files, and in whether
// each controller has a directory. The methods of nil do nothing.
type cgroups struct {
	parents []string
	made    atomic.Uint64
}

// newCgroups returns nil without directories. It removes the groups that a
// killed runner left behind.
func newCgroups(parents []string) (*cgroups, error) {
	if len(parents) == 0 {
		return nil, nil
	}
	g := &cgroups{parents: parents}
	for _, parent := range parents {
		if err := sweep(parent); err != nil {
			return nil, sallyport.Errorf(sallyport.Unavailable, sallyport.CodeNoCgroup, "sandbox: cannot use %s for control groups; want a cgroup directory that the gateway may write to: %w", parent, err)
		}
	}
	return g, nil
}

// sweep removes the groups of processes that are gone.
func sweep(parent string) error {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	for _, e := range entries {
		pid, _, ok := strings.Cut(strings.TrimPrefix(e.Name(), "sallyport-"), "-")
		if !ok || !strings.HasPrefix(e.Name(), "sallyport-") {
			continue
		}
		if _, err := os.Stat(filepath.Join("/proc", pid)); errors.Is(err, fs.ErrNotExist) {
			_ = os.Remove(filepath.Join(parent, e.Name())) // fails if it is in use, or another user's
		}
	}
	return nil
}

// cgroup is the control group of one sandbox. The methods of nil do nothing.
type cgroup struct{ dirs []string }

// create makes a group with the limits of a specification.
func (g *cgroups) create(s confine.Spec) (*cgroup, error) {
	if g == nil {
		return nil, nil
	}
	// The kernel counts its own memory for the process, too.
	memory := strconv.FormatUint((s.MemoryMiB+s.TmpMiB+16)<<20, 10)
	pids := strconv.FormatUint(s.Processes+1, 10)
	made := &cgroup{}
	limited := map[string]bool{}
	for _, parent := range g.parents {
		dir := filepath.Join(parent, fmt.Sprintf("sallyport-%d-%d", os.Getpid(), g.made.Add(1)))
		if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // as the kernel's own
			made.remove()
			return nil, noCgroup(err)
		}
		made.dirs = append(made.dirs, dir)
		for _, limit := range []struct{ file, controller, value string }{
			{"memory.max", "memory", memory},
			{"memory.swap.max", "swap", "0"},
			{"memory.limit_in_bytes", "memory", memory},
			{"pids.max", "pids", pids},
		} {
			err := writeExisting(filepath.Join(dir, limit.file), limit.value)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				made.remove()
				return nil, noCgroup(err)
			}
			limited[limit.controller] = limited[limit.controller] || err == nil
		}
	}
	if !limited["memory"] || !limited["pids"] {
		made.remove()
		return nil, noCgroup(errors.New("want the controllers memory and pids enabled in the configured directories"))
	}
	return made, nil
}

func noCgroup(err error) error {
	return sallyport.Errorf(sallyport.Unavailable, sallyport.CodeNoCgroup, "sandbox: could not make a control group: %w", err)
}

func writeExisting(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// add moves a process into the group.
func (c *cgroup) add(pid int) error {
	if c == nil {
		return nil
	}
	for _, dir := range c.dirs {
		if err := writeExisting(filepath.Join(dir, "cgroup.procs"), strconv.Itoa(pid)); err != nil {
			return noCgroup(err)
		}
	}
	return nil
}

// outOfMemory reports whether the kernel killed a process of the group for want
// of memory.
func (c *cgroup) outOfMemory() bool {
	if c == nil {
		return false
	}
	for _, dir := range c.dirs {
		for _, file := range []string{"memory.events", "memory.oom_control"} {
			b, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				continue
			}
			for line := range strings.Lines(string(b)) {
				count, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill ")
				if ok && count != "0" {
					return true
				}
			}
		}
	}
	return false
}

// remove removes the group. The kernel may take a moment to notice that it is
// empty. The next runner sweeps groups that are left.
func (c *cgroup) remove() {
	if c == nil {
		return
	}
	for _, dir := range c.dirs {
		for range 20 {
			if err := os.Remove(dir); err == nil || errors.Is(err, fs.ErrNotExist) {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
}
