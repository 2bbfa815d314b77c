package cluster

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/sallyport/sallyport/e2e/internal/program"
)

// Programs are the files of what a cluster is made of.
type Programs struct {
	Kubernetes string // all of Kubernetes; its first argument names the program, kubectl too
	CoreDNS    string
	Node       string
	Netpold    string
	Testbox    string // for pods: see its own documentation
}

// Build builds the programs that are not built yet, of exactly these sources,
// and says so on w. They are kept in the user's cache directory.
func Build(ctx context.Context, w io.Writer) (Programs, error) {
	dir, err := program.Directory(ctx)
	if err != nil {
		return Programs{}, err
	}
	var p Programs
	err = program.Build(ctx, w, p.list(dir)...)
	return p, err
}

// list says how each is built.
func (p *Programs) list(dir string) []program.Source {
	own := func(name string, file *string, sources ...string) program.Source {
		sources = append(sources, "go.mod", "go.sum", "cmd/"+name)
		return program.Source{Name: name, Module: dir, Package: "./cmd/" + name, Files: sources, File: file}
	}
	return []program.Source{
		{
			Name: "kubernetes", Module: filepath.Join(dir, "cmd", "kubernetes"), Package: ".", Files: []string{"."}, File: &p.Kubernetes, Stamp: stamp,
			Notice: "Building Kubernetes with etcd and kubectl as one program. The first time that compiles some 2,000 packages and " +
				"takes up to some 20 minutes on two cores; it is kept in %s.",
		},
		{
			Name: "coredns", Module: filepath.Join(dir, "cmd", "coredns"), Package: ".", Files: []string{"."}, File: &p.CoreDNS,
			Notice: "Building CoreDNS, the cluster's name server. The first time that takes a minute or two; it is kept in %s.",
		},
		own("node", &p.Node, "internal"),
		own("netpold", &p.Netpold, "internal"),
		own("testbox", &p.Testbox),
	}
}

// stamp has Kubernetes say the version that its module requires: it is compiled
// in, and the API server does not start without one.
func stamp(ctx context.Context, dir string) (string, error) {
	version, err := program.Go(ctx, dir, "list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes")
	if err != nil {
		return "", err
	}
	numbers := strings.Split(strings.TrimPrefix(version, "v"), ".")
	if len(numbers) < 2 {
		return "", fmt.Errorf("%q is no version of Kubernetes", version)
	}
	var flags strings.Builder
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		_, _ = fmt.Fprintf(&flags, " -X %[1]s.gitVersion=%[2]s -X %[1]s.gitMajor=%[3]s -X %[1]s.gitMinor=%[4]s -X %[1]s.gitTreeState=clean", pkg, version, numbers[0], numbers[1])
	}
	return flags.String(), nil
}
