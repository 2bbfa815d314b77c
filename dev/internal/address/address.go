// Package address finds addresses for the programs that tests start.
package address

import (
	"testing"

	"github.com/sallyport/sallyport/temporal-server/port"
)

// Free is a loopback address on which no program listens.
func Free(tb testing.TB) string {
	tb.Helper()
	l, err := port.Listen("tcp", "127.0.0.1")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
