//go:build !race

package temporal

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// addresses are where the parts of a server listen.
type addresses struct {
	frontend, internal, history, matching, worker, ui string
}

// reserve finds a free address for every part. The server opens its
// listeners itself, so the ports are given back just before: somebody may
// still snatch one, which ends the start with an error that names it.
func reserve(o Options) (a addresses, err error) {
	var held []net.Listener
	defer func() {
		for _, l := range held {
			err = errors.Join(err, l.Close())
		}
	}()
	host, _, err := net.SplitHostPort(o.FrontendAddr)
	if err != nil {
		return a, fmt.Errorf("frontend address: %w", err)
	}
	anyPort := net.JoinHostPort(host, "0")
	wants := []struct {
		addr string
		into *string
	}{
		{o.FrontendAddr, &a.frontend},
		{o.UIAddr, &a.ui},
		{anyPort, &a.internal},
		{anyPort, &a.history},
		{anyPort, &a.matching},
		{anyPort, &a.worker},
	}
	for _, w := range wants {
		if w.addr == "" {
			continue
		}
		l, err := listen(w.addr)
		if err != nil {
			return a, err
		}
		held = append(held, l)
		*w.into = l.Addr().String()
	}
	return a, nil
}

// listen takes the address, or any port of its host where it is taken.
func listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr) //nolint:noctx // returns at once
	if !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	return net.Listen("tcp", net.JoinHostPort(host, "0")) //nolint:noctx // returns at once
}

func splitPort(addr string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, err
	}
	port, err = strconv.Atoi(p)
	return host, port, err
}
