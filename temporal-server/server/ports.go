//go:build !race

package server

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/temporal-server/port"
)

// addresses are where the parts of a server listen.
type addresses struct {
	frontend, internal, history, matching, worker, ui string
}

// reserve finds a free address for every part. The server opens its listeners
// itself, so reserve closes its own before. If another process takes a port
// then, the start fails with an error that names it.
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
	inside := net.JoinHostPort(loopbackOf(host), "0")
	wants := []struct {
		addr string
		into *string
	}{
		{o.FrontendAddr, &a.frontend},
		{o.UIAddr, &a.ui},
		{inside, &a.internal},
		{inside, &a.history},
		{inside, &a.matching},
		{inside, &a.worker},
	}
	for _, w := range wants {
		if w.addr == "" {
			continue
		}
		l, err := listen(w.addr, o.FixedPorts)
		if err != nil {
			return a, err
		}
		held = append(held, l)
		*w.into = l.Addr().String()
	}
	return a, nil
}

// loopbackOf is the host on which the server's parts listen for each other: a
// loopback address, even if the frontend has another one.
func loopbackOf(host string) string {
	if strict.Loopback(host) {
		return host
	}
	return "127.0.0.1"
}

// dialable is the address by which this process connects to its own listener.
func dialable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case err != nil || !ip.IsUnspecified():
		return addr
	case ip.Is4():
		return net.JoinHostPort("127.0.0.1", port)
	default:
		return net.JoinHostPort("::1", port)
	}
}

// listen opens the address. If its port is 0, or in use and not fixed, it opens
// a free port of the host.
func listen(addr string, fixed bool) (net.Listener, error) {
	host, asked, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if asked != "0" {
		l, err := net.Listen(family(host), addr) //nolint:noctx // returns at once
		if fixed || !errors.Is(err, syscall.EADDRINUSE) {
			return l, err
		}
	}
	return port.Listen(family(host), host)
}

// family keeps 0.0.0.0 an IPv4 address: Go would else listen on [::], which the
// Web UI can't parse.
func family(host string) string {
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
		return "tcp4"
	}
	return "tcp"
}

func splitPort(addr string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, err
	}
	port, err = strconv.Atoi(p)
	return host, port, err
}
