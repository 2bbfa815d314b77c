package cluster

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/sallyport/sallyport/sallyporttest/program"
)

// Programs are the files of what a cluster is made of.
type Programs struct {
	Kubernetes string // all of Kubernetes; its first argument names the program, kubectl too
	CoreDNS    string
	Node       string
	Netpold    string
	Testbox    string // for pods: see its own documentation
}

// module is this one, in whose directory the programs are built.
const module = "github.com/sallyport/sallyport/e2e"

// Build builds the programs that are not built yet, of exactly these sources,
// and says so on w. They are kept in the user's cache directory.
func Build(ctx context.Context, w io.Writer) (p Programs, err error) {
	dir, err := program.Module(ctx, module)
	if err != nil {
		return p, err
	}
	kubernetes := program.Kept{
		Name: "kubernetes", Module: filepath.Join(dir, "cmd", "kubernetes"), Stamp: stamp,
		Notice: "Building Kubernetes with etcd and kubectl as one program. The first time that compiles some 2,000 packages and " +
			"takes up to some 20 minutes on two cores.",
	}
	if p.Kubernetes, err = kubernetes.Build(ctx, w); err != nil {
		return p, err
	}
	coredns := program.Kept{
		Name: "coredns", Module: filepath.Join(dir, "cmd", "coredns"),
		Notice: "Building CoreDNS, the cluster's name server. The first time that takes a minute or two.",
	}
	if p.CoreDNS, err = coredns.Build(ctx, w); err != nil {
		return p, err
	}
	own, err := program.Build(ctx, w, dir, "./cmd/node", "./cmd/netpold", "./cmd/testbox")
	p.Node, p.Netpold, p.Testbox = filepath.Join(own, "node"), filepath.Join(own, "netpold"), filepath.Join(own, "testbox")
	return p, err
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
