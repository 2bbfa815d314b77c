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

// launcher has executors started by a small process of its own; package
// confine says why. They are children of this process.
type launcher struct {
	binary *os.File // the executor
	order  []byte

	mu      sync.Mutex
	current *launching // nil while there is none that works
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
var errLauncherGone = errors.New("the process that starts executors is gone")

// start starts an executor with these files as its descriptors from 0 on.
// The caller calls release when it has waited for it.
func (l *launcher) start(files []*os.File) (p *os.Process, release func(), err error) {
	p, release, err = l.try(files)
	if errors.Is(err, errLauncherGone) { // somebody killed it: the next one may live
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
	case errors.Is(err, os.ErrDeadlineExceeded): // it may still start one, which must not share its files with another
		l.forget(n)
		return nil, nil, fmt.Errorf("the process that starts executors does not answer: %w", err)
	case err != nil:
		l.forget(n)
		return nil, nil, fmt.Errorf("%w: %w", errLauncherGone, err)
	case launched.PID == 0:
		return nil, nil, errors.New(sallyport.Visible(launched.Error))
	}
	p, err = os.FindProcess(launched.PID)
	return p, n.executors.Done, err
}

// launch gives one order and waits for the answer.
func (n *launching) launch(order []byte, files []*os.File) (launched confine.Launched, err error) {
	answer, reply, err := os.Pipe()
	if err != nil {
		return launched, err
	}
	defer answer.Close()
	fds := make([]int, 0, confine.OrderFiles)
	for _, f := range append(slices.Clip(files), reply) {
		fds = append(fds, int(f.Fd()))
	}
	_, _, err = n.orders.WriteMsgUnix(order, unix.UnixRights(fds...), nil)
	if err = errors.Join(err, reply.Close(), answer.SetReadDeadline(time.Now().Add(launchLimit))); err != nil {
		return launched, err
	}
	data, err := io.ReadAll(io.LimitReader(answer, 4096))
	if err != nil {
		return launched, err
	}
	return launched, json.Unmarshal(data, &launched)
}

// acquire is a process that starts executors, for one more of them.
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

// hold starts a process that starts executors, and keeps the thread that did
// until all of them are gone: the kernel kills them when that thread ends.
func (l *launcher) hold(n *launching, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c, err := l.begin(n)
	started <- err
	if err != nil {
		return
	}
	_ = c.Wait() // it has nothing to say
	l.forget(n)
	n.executors.Wait()
}

func (l *launcher) begin(n *launching) (_ *exec.Cmd, err error) {
	var ends endpoints
	defer ends.closeChildren()
	if n.orders, err = ends.pair("orders", unix.SOCK_SEQPACKET); err != nil {
		return nil, err
	}
	c := exec.Command(fmt.Sprintf("/proc/self/fd/%d", confine.BinaryFD)) //nolint:noctx,gosec // it ends when we hang up; our own, sealed
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

// forget hangs up, and lets the next start have a new process.
func (l *launcher) forget(n *launching) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current == n {
		l.current = nil
		_ = n.orders.Close()
	}
}

// close hangs up. Executors that run go on.
func (l *launcher) close() {
	l.mu.Lock()
	n := l.current
	l.mu.Unlock()
	if n != nil {
		l.forget(n)
	}
}
