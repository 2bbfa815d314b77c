package instancetest

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/sallyport/sallyport/sallyporttest/program"
)

const module = "github.com/sallyport/sallyport"

// programs is the directory of the programs, built at the first call.
var programs = sync.OnceValues(func() (string, error) { //nolint:gochecknoglobals // one build per process
	return program.Build(context.Background(), os.Stderr, "",
		module+"/dev/cmd/sallyport-dev", module+"/cmd/sallyport", module+"/cmd/sallyport-gateway", module+"/cmd/toolexec")
})

// Program is the path of one of the programs sallyport-dev, sallyport,
// sallyport-gateway and toolexec.
func Program(tb testing.TB, name string) string {
	tb.Helper()
	dir, err := programs()
	if err != nil {
		tb.Fatal(err)
	}
	return filepath.Join(dir, name)
}
