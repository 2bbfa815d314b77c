package temporaltest

import (
	"context"
	"os"
	"path/filepath"
	"sync"

	"github.com/sallyport/sallyport/sallyporttest/program"
)

// executable is the path of cmd/temporald, built at the first call.
var executable = sync.OnceValues(func() (string, error) { //nolint:gochecknoglobals // one build per process
	dir, err := program.Build(context.Background(), os.Stderr, "", "github.com/sallyport/sallyport/dev/cmd/temporald")
	return filepath.Join(dir, "temporald"), err
})
