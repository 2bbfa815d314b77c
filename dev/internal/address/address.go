// Package address finds addresses for the programs that tests start.
package address

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"net"
	"testing"
)

// Ports are drawn from below Linux's ephemeral range: a program that is started
// again must find its own free, and connections take the others all the time.
const (
	firstPort = 12000
	lastPort  = 32000
)

// Free is a loopback address on which no program listens.
func Free(tb testing.TB) string {
	tb.Helper()
	for range 100 {
		n, err := rand.Int(rand.Reader, big.NewInt(lastPort-firstPort))
		if err != nil {
			tb.Fatal(err)
		}
		addr := fmt.Sprintf("127.0.0.1:%d", firstPort+n.Int64())
		l, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", addr)
		if err == nil && l.Close() == nil {
			return addr
		}
	}
	tb.Fatal("no port is free")
	return ""
}
