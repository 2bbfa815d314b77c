// Package port finds free ports for servers that open their listeners later.
package port

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strconv"
	"syscall"
)

// Ports are drawn from below Linux's ephemeral range: until the server listens,
// and while it is away, any outgoing connection could take one of that.
const (
	first = 12_000
	last  = 32_000
)

// Listen opens a free port of a host.
func Listen(network, host string) (net.Listener, error) {
	for range 100 {
		n, err := rand.Int(rand.Reader, big.NewInt(last-first))
		if err != nil {
			return nil, err
		}
		l, err := net.Listen(network, net.JoinHostPort(host, strconv.FormatInt(first+n.Int64(), 10))) //nolint:noctx // returns at once
		if !errors.Is(err, syscall.EADDRINUSE) {
			return l, err
		}
	}
	return nil, fmt.Errorf("no port of %s from %d to %d is free: %w", host, first, last, syscall.EADDRINUSE)
}
