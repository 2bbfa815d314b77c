package instancetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
)

// Ports are drawn from below those that Linux gives to whoever asks for any:
// an instance that is started again must find its own free, and connections
// take the others all the time.
const (
	firstPort = 12000
	lastPort  = 32000
)

// freeAddress is a loopback address that nobody listens on.
func freeAddress(ctx context.Context) (string, error) {
	for range 100 {
		n, err := rand.Int(rand.Reader, big.NewInt(lastPort-firstPort))
		if err != nil {
			return "", err
		}
		addr := fmt.Sprintf("127.0.0.1:%d", firstPort+n.Int64())
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
		if err == nil {
			return addr, l.Close()
		}
	}
	return "", errors.New("no port is free")
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
