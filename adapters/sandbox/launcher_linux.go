//go:build amd64 || arm64

package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/sandbox/confine"
)

// launchLimit is how long a launcher may take to start an executor.
const launchLimit = 10 * time.Second

// launcher starts executors through a small process of its own; see
// [confine.Launch] for the reason. Executors are children of this process.
type launcher struct {
	binary *os.File // the executor
	order  []byte

	mu      sync.Mutex
	current *launching // nil while no launching process runs
}

// launching is one process that starts executors.
type launching struct {
	orders    *net.UnixConn
	executors sync.WaitGroup
}

func newLauncher(binary *os.File, i ids) (*launcher, error) {
	order, err := json.Marshal(confine.Order{UID: i.uid, GID: i.gid, Root: i.root})
	return &launcher{binary: binary, order: order}, err
}

// errLauncherGone means that no executor was started.
var errLauncherGone = errors.New("the process that starts executors has ended")

// start starts an executor with these files as its descriptors from 0 on.
// The caller must call release after it has waited for the executor.
func (l *launcher) start(files []*os.File) (p *os.Process, release func(), err error) {
	p, release, err = l.try(files)
	if errors.Is(err, errLauncherGone) { // it was killed: start another one
		p, release, err = l.try(files)
	}
	return p, release, err
}

func (l *launcher) try(files []*os.File) (p *os.Process, release func(), err error) {
	n, err := l.acquire()
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			n.executors.Done()
		}
	}()
	launched, err := n.launch(l.order, files)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded): // it may still start an executor, which must not share its files with another
		l.forget(n)
		return nil, nil, fmt.Errorf("the process that starts executors did not respond within %s: %w", launchLimit, err)
	case err != nil:
		l.forget(n)
		return nil, nil, fmt.Errorf("%w: %w", errLauncherGone, err)
	case launched.PID == 0:
		return nil, nil, errors.New(sallyport.Visible(launched.Error))
	}
	p, err = os.FindProcess(launched.PID)
	return p, n.executors.Done, err
}

// launch sends one order and waits for the response.
func (n *launching) launch(order []byte, files []*os.File) (launched confine.Launched, err error) {
	in, out, err := os.Pipe()
	if err != nil {
		return launched, err
	}
	defer in.Close()
	fds := make([]int, 0, confine.OrderFiles)
	for _, f := range append(slices.Clip(files), out) {
		fds = append(fds, int(f.Fd()))
	}
	_, _, err = n.orders.WriteMsgUnix(order, unix.UnixRights(fds...), nil)
	if err = errors.Join(err, out.Close(), in.SetReadDeadline(time.Now().Add(launchLimit))); err != nil {
		return launched, err
	}
	data, err := io.ReadAll(io.LimitReader(in, 4096))
	if err != nil {
		return launched, err
	}
	return launched, json.Unmarshal(data, &launched)
}

// acquire returns a process that starts executors, and counts one more of them.
func (l *launcher) acquire() (*launching, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current == nil {
		next, started := &launching{}, make(chan error)
		go l.hold(next, started)
		if err := <-started; err != nil {
			return nil, err
		}
		l.current = next
	}
	l.current.executors.Add(1)
	return l.current, nil
}

// hold starts a process that starts executors, and keeps its own thread until all
// of them have ended: the kernel kills them when the thread ends.
func (l *launcher) hold(n *launching, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c, err := l.begin(n)
	started <- err
	if err != nil {
		return
	}
	_ = c.Wait() // its status does not matter
	l.forget(n)
	n.executors.Wait()
}

func (l *launcher) begin(n *launching) (_ *exec.Cmd, err error) {
	var ends endpoints
	defer ends.closeChildren()
	if n.orders, err = ends.pair("orders", unix.SOCK_SEQPACKET); err != nil {
		return nil, err
	}
	c := exec.Command(fmt.Sprintf("/proc/self/fd/%d", confine.BinaryFD)) //nolint:noctx,gosec // it ends when the runner closes the socket; the sealed executor
	c.Args = []string{"toolexec", confine.ArgLaunch}
	c.Env = []string{}
	c.Dir = "/"
	c.ExtraFiles = []*os.File{ends.children[0], nil, l.binary} // from LauncherFD to BinaryFD
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	if err := c.Start(); err != nil {
		ends.closeParents()
		return nil, err
	}
	return c, nil
}

// forget closes the socket to a process; the next start makes a new one.
func (l *launcher) forget(n *launching) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current == n {
		l.current = nil
		_ = n.orders.Close()
	}
}

// close ends the launching process. Executors that run go on.
func (l *launcher) close() {
	l.mu.Lock()
	n := l.current
	l.mu.Unlock()
	if n != nil {
		l.forget(n)
	}
}
