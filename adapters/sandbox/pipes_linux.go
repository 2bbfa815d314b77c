//go:build amd64 || arm64

package sandbox

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/sallyport/sallyport"
)

// endpoints are the two ends of the sockets and pipes between runner and
// executor.
type endpoints struct {
	children []*os.File
	parents  []io.Closer
}

// pair makes a socket pair of a type and returns the runner's end.
func (e *endpoints) pair(name string, typ int) (*net.UnixConn, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, typ|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, sallyport.Errorf(sallyport.Unavailable, sallyport.CodeNoDescriptors, "sandbox: make the %s socket: %w", name, err)
	}
	e.children = append(e.children, os.NewFile(uintptr(fds[1]), name))
	ours := os.NewFile(uintptr(fds[0]), name)
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, sallyport.Errorf(sallyport.Unavailable, sallyport.CodeNoDescriptors, "sandbox: use the %s socket: %w", name, err)
	}
	e.parents = append(e.parents, conn)
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, sallyport.Errorf(sallyport.Internal, sallyport.CodeNoDescriptors, "sandbox: the %s socket is a %T", name, conn)
	}
	return unixConn, nil
}

// input makes a pipe from which the child reads, and returns the runner's end.
func (e *endpoints) input() (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, noPipe(err)
	}
	e.children, e.parents = append(e.children, r), append(e.parents, w)
	return w, nil
}

// output makes a pipe to which the child writes, and returns the runner's end.
func (e *endpoints) output() (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, noPipe(err)
	}
	e.children, e.parents = append(e.children, w), append(e.parents, r)
	return r, nil
}

func noPipe(err error) error {
	return sallyport.Errorf(sallyport.Unavailable, sallyport.CodeNoDescriptors, "sandbox: make a pipe: %w", err)
}

func (e *endpoints) closeChildren() {
	for _, f := range e.children {
		_ = f.Close() // the executor has its own copy, or there is none
	}
}

func (e *endpoints) closeParents() {
	for _, c := range e.parents {
		_ = c.Close() // the executor was not started
	}
}

// capture keeps the first bytes of a stream.
type capture struct {
	data       bytes.Buffer
	limit      int
	overflow   func() // called when there is more than limit; nil drops the rest
	overflowed bool
}

// Write fails only where overflow is set: a tool whose response is too large is
// stopped, and one that writes much to standard error goes on.
func (c *capture) Write(b []byte) (int, error) {
	room := c.limit - c.data.Len()
	c.data.Write(b[:min(room, len(b))])
	if len(b) <= room || c.overflow == nil {
		return len(b), nil
	}
	c.overflowed = true
	c.overflow()
	return 0, fmt.Errorf("more than %d bytes", c.limit)
}
