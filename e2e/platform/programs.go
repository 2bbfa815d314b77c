package platform

import (
	"context"
	"fmt"
	"io"
	"path"
	"path/filepath"

	"github.com/sallyport/sallyport/sallyporttest/program"
)

// Programs are the files of what runs in pods.
type Programs struct {
	TemporalServer   string
	IdentityProvider string
	Intruder         string            // what stands in images that were taken over
	Gateway          map[string]string // the repository's own, by name: sallyport-gateway, kubeexec and image
}

const module = "github.com/sallyport/sallyport/e2e"

// Build builds the programs and says so on w.
func Build(ctx context.Context, w io.Writer) (Programs, error) {
	dir, err := program.Module(ctx, module)
	if err != nil {
		return Programs{}, err
	}
	_, _ = fmt.Fprintln(w, "Building the gateway and a Temporal server with its Web UI. The first time that compiles some 2,000 packages and takes "+
		"about 5 minutes on two cores; later it takes seconds.")
	built := map[string]string{}
	for _, of := range []struct {
		module   string
		packages []string
	}{
		{"..", []string{"./cmd/sallyport-gateway", "./cmd/kubeexec", "./deploy/image"}},
		{"../temporal-server", []string{"./cmd/temporal-server"}},
		{"../dev", []string{"./cmd/idp"}},
		{".", []string{"./cmd/intruder"}},
	} {
		programs, err := program.Build(ctx, w, filepath.Join(dir, of.module), of.packages...)
		if err != nil {
			return Programs{}, err
		}
		for _, p := range of.packages {
			built[path.Base(p)] = filepath.Join(programs, path.Base(p))
		}
	}
	return Programs{TemporalServer: built["temporal-server"], IdentityProvider: built["idp"], Intruder: built["intruder"], Gateway: built}, nil
}
