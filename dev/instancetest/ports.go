package instancetest

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"net"
	"os"
	"testing"
)

// Ports are drawn from below Linux's ephemeral port range:
// an instance that is started again must find its own free, and connections
// take the others all the time.
const (
	firstPort = 12000
	lastPort  = 32000
)

// FreeAddress is a loopback address on which no program listens.
func FreeAddress(tb testing.TB) string {
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

// environment is this process's own without what would change what an
// instance does.
func environment() []string {
	var kept []string
	for _, v := range os.Environ() {
		if !ours.MatchString(v) {
			kept = append(kept, v)
		}
	}
	return kept
}
