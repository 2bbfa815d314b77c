// Package forward carries TCP connections from this network namespace into
// another one, where the node of a test cluster lives.
package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long the other side may take to answer.
const patience = 3 * time.Second

// Serve takes connections from l and connects each with target as seen from
// the network namespace in the file netns. It returns when l is closed, after
// which connections that are open go on until one side ends them or ctx does.
func Serve(ctx context.Context, l net.Listener, netns, target string) error {
	ns, err := os.Open(netns)
	if err != nil {
		return fmt.Errorf("the network to forward into: %w", err)
	}
	var open sync.WaitGroup
	defer func() { go func() { open.Wait(); _ = ns.Close() }() }()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		open.Go(func() {
			defer func() { _ = c.Close() }()
			if there, err := dial(ctx, ns, target); err == nil { // else hanging up says it
				join(ctx, c, there)
			}
		})
	}
}

// Dial connects with target as seen from the network namespace in the file
// netns.
func Dial(ctx context.Context, netns, target string) (net.Conn, error) {
	ns, err := os.Open(netns)
	if err != nil {
		return nil, fmt.Errorf("the network to connect into: %w", err)
	}
	defer func() { _ = ns.Close() }()
	return dial(ctx, ns, target)
}

// dial connects from within ns. The thread that entered it ends with its
// goroutine, because nothing else may run there.
func dial(ctx context.Context, ns *os.File, target string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- result{err: err}
			return
		}
		// A numeric address, so that the socket is made by this very thread.
		c, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", target)
		done <- result{c, err}
	}()
	r := <-done
	return r.conn, r.err
}

// join copies both ways until both sides have said all, or ctx ends.
func join(ctx context.Context, a, b net.Conn) {
	stop := context.AfterFunc(ctx, func() { _, _ = a.Close(), b.Close() })
	defer stop()
	defer func() { _ = b.Close() }()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		both.Go(func() {
			_, _ = io.Copy(way[1], way[0])
			if half, ok := way[1].(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite()
			}
		})
	}
	both.Wait()
}
