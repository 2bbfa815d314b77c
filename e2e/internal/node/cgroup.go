package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// patience is how long the last processes of a dead cluster may take to leave
// its control groups. They may also be alive, in a container whose process ids
// are not ours.
const patience = 5 * time.Second

// groupPrefix begins the name of a cluster's control groups; the supervisor's
// process id follows, so that those of a dead one can be told.
const groupPrefix = "sallyport-e2e-"

// makeGroups makes a control group for a node in every hierarchy, and gives
// the name. The kubelet makes its own below them, so that they are never
// another kubelet's on this machine.
func makeGroups(supervisor int) (string, error) {
	roots, err := hierarchies()
	if err != nil {
		return "", err
	}
	name := groupPrefix + strconv.Itoa(supervisor)
	for _, root := range roots {
		if err := os.Mkdir(filepath.Join(root, name), 0o755); err != nil && !errors.Is(err, fs.ErrExist) { //nolint:gosec // as the kernel's own
			return "", fmt.Errorf("a control group for the node: %w", err)
		}
	}
	return name, nil
}

// removeGroups removes a node's control groups, when the last of its
// processes have left them.
func removeGroups(ctx context.Context, name string) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		var left error
		for _, root := range roots {
			left = errors.Join(left, removeTree(filepath.Join(root, name)))
		}
		if left == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return left
		case <-again.C:
		}
	}
}

// removeStale removes what clusters left whose supervisor could not.
func removeStale(ctx context.Context) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	stale := map[string]bool{}
	for _, root := range roots {
		found, err := filepath.Glob(filepath.Join(root, groupPrefix+"*"))
		if err != nil {
			return err
		}
		for _, dir := range found {
			name := filepath.Base(dir)
			pid, err := strconv.Atoi(strings.TrimPrefix(name, groupPrefix))
			if err == nil && pid > 0 && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
				stale[name] = true
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for name := range stale {
		err = errors.Join(err, removeGroups(ctx, name))
	}
	return err
}

// removeTree removes a directory of control groups, the innermost first.
func removeTree(dir string) error {
	var dirs []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && d.IsDir() {
			dirs = append(dirs, name)
		}
		return err
	})
	for _, d := range slices.Backward(dirs) {
		if e := syscall.Rmdir(d); e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, &fs.PathError{Op: "rmdir", Path: d, Err: e})
		}
	}
	return err
}

// hierarchies are the directories at which control groups are mounted: one
// per controller, or one for all.
func hierarchies() ([]string, error) {
	data, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	var dirs []string
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) > 2 && (f[2] == "cgroup" || f[2] == "cgroup2") {
			dirs = append(dirs, f[1])
		}
	}
	if len(dirs) == 0 {
		return nil, errors.New("no control groups are mounted here: mount them at /sys/fs/cgroup, as systemd does")
	}
	return dirs, nil
}
