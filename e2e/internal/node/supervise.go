package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/sallyport/sallyport/e2e/internal/forward"
)

// farewell is how long what a node leaves may take to be removed.
const farewell = 20 * time.Second

// Supervise runs a node until ctx ends, or until parent does if the node is
// not one to keep: parent is a pipe whose other end the parent holds open. It
// removes what the node leaves.
func Supervise(ctx context.Context, dir Dir, parent io.Reader, log io.Writer) (err error) {
	lock, err := dir.Lock()
	if err != nil {
		return fmt.Errorf("%s: %w", dir.lock(), err)
	}
	defer func() { _ = lock.Close() }()
	var c Config
	if err := read(dir.config(), &c); err != nil {
		return err
	}
	if err := removeStale(ctx); err != nil {
		_, _ = fmt.Fprintln(log, "could not remove what an earlier cluster left; this cluster starts anyway:", err) // it does not disturb this cluster
	}
	group, err := makeGroups(os.Getpid())
	if err != nil {
		return err
	}
	defer func() {
		// What ends ctx doesn't end the clearing up.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
		defer cancel()
		err = errors.Join(err, removeGroups(ctx, group), remove(dir.state(), dir.Kubeconfig()))
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !c.Keep {
		go func() {
			_, _ = io.Copy(io.Discard, parent)
			cancel()
		}()
	}
	return run(ctx, dir, c, group)
}

// run starts the node and waits for its end, by itself or by ctx.
func run(ctx context.Context, dir Dir, c Config, group string) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(c.Port)))
	if err != nil {
		return fmt.Errorf("the API server's port: %w", err)
	}
	defer func() { _ = l.Close() }()
	server := "https://" + l.Addr().String()
	log, err := os.Create(filepath.Join(dir.Logs(), "node.log"))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()

	// The kernel kills the node when the thread that started it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	node := exec.CommandContext(ctx, "/proc/self/exe", "init", string(dir), server, group) //nolint:gosec // ourselves
	node.Stdout, node.Stderr = log, log
	node.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
	}
	if err := node.Start(); err != nil {
		return fmt.Errorf("namespaces for the node: %w", err)
	}
	pid := node.Process.Pid
	go func() { _ = forward.Serve(ctx, l, fmt.Sprintf("/proc/%d/ns/net", pid), API) }()
	failed := write(dir.state(), State{Supervisor: os.Getpid(), Node: pid, Server: server, Cgroup: group})
	if failed != nil {
		_ = node.Process.Kill()
	}
	err = node.Wait()
	if ctx.Err() != nil && failed == nil {
		return nil // it was to end
	}
	return errors.Join(failed, fmt.Errorf("the node ended: %w (see %s)", err, log.Name()))
}

// remove removes files that may not be there.
func remove(names ...string) (err error) {
	for _, name := range names {
		if e := os.Remove(name); e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}
