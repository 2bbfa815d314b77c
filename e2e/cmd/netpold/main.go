// Command netpold enforces the NetworkPolicies of the node of a test cluster.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/sallyport/sallyport/e2e/internal/cni"
	"github.com/sallyport/sallyport/e2e/internal/netpol"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "netpold:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("netpold", flag.ContinueOnError)
	flags.SetOutput(stderr)
	kubeconfig := flags.String("kubeconfig", "", "`file` that says where the cluster is")
	cidr := flags.String("pod-cidr", "", "all pods' addresses")
	gateway := flags.String("gateway", "", "the node's `address` among them")
	if err := flags.Parse(args); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", cni.Socket)
	if err != nil {
		return err
	}
	return netpol.Enforcer{
		Client: client, Listen: l, CIDR: *cidr, Gateway: *gateway, Log: slog.New(slog.NewTextHandler(stderr, nil)),
	}.Run(ctx)
}
