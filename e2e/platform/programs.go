package platform

import (
	"context"
	"io"
	"path"
	"path/filepath"

	"github.com/sallyport/sallyport/e2e/internal/program"
)

// Programs are the files of what runs in pods.
type Programs struct {
	TemporalServer   string
	IdentityProvider string
	Intruder         string            // what stands in images that were taken over
	Gateway          map[string]string // the repository's own, by name: sallyport-gateway, kubeexec and image
}

// Build builds the programs that are not built yet, of exactly these sources,
// and says so on w.
func Build(ctx context.Context, w io.Writer) (Programs, error) {
	module, err := program.Directory(ctx)
	if err != nil {
		return Programs{}, err
	}
	root := filepath.Dir(module)
	var p Programs
	list := []program.Source{
		{
			Name: "temporal-server", Module: filepath.Join(root, "dev"), Package: "./cmd/temporal-server", File: &p.TemporalServer,
			Notice: "Building the Temporal server with its Web UI. The first time that compiles some 2,000 packages and takes " +
				"about 5 minutes on two cores; it is kept in %s.",
		},
		{Name: "intruder", Module: module, Package: "./cmd/intruder", File: &p.Intruder},
		{Name: "idp", Module: filepath.Join(root, "dev"), Package: "./cmd/idp", File: &p.IdentityProvider},
	}
	names := []string{"./cmd/sallyport-gateway", "./cmd/kubeexec", "./deploy/image"}
	files := make([]string, len(names))
	for i, name := range names {
		list = append(list, program.Source{Name: path.Base(name), Module: root, Package: name, File: &files[i]})
	}
	if err := program.Build(ctx, w, list...); err != nil {
		return Programs{}, err
	}
	p.Gateway = map[string]string{}
	for i, name := range names {
		p.Gateway[path.Base(name)] = files[i]
	}
	return p, nil
}
