// Command cluster keeps a test cluster for developers:
//
//	cluster up                           start it
//	cluster down                         end it
//	cluster load ARCHIVE...              load images into its node
//	cluster image OUT REF SOURCE ARG...  make an image of a static binary, or of a directory
//	cluster forward PORT:TARGET...       open ports of 127.0.0.1 into it, until interrupted
//
// A target is a node port, or ADDRESS:PORT of a Service or a pod.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/sallyport/sallyport/e2e/cluster"
	"github.com/sallyport/sallyport/e2e/internal/node"
)

// usage is what this package's documentation says.
const usage = "usage: cluster --dir DIR [--port PORT] up | down | load ARCHIVE... | image OUT REF SOURCE [ARG...] | forward PORT:TARGET, one or more"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("dir", "", "the cluster's `directory`")
	port := flags.Int("port", 0, "of the API server on 127.0.0.1; 0 takes a free one")
	if err := flags.Parse(args); err != nil {
		return err
	}
	args = flags.Args()
	switch {
	case len(args) == 1 && args[0] == "up":
		return up(ctx, cluster.Options{Dir: *dir, Port: *port, Keep: true, Progress: stderr}, stdout)
	case len(args) == 1 && args[0] == "down":
		return down(ctx, *dir, stdout)
	case len(args) > 1 && args[0] == "load":
		c, err := cluster.Attach(*dir)
		for _, archive := range args[1:] {
			if err == nil {
				err = c.Load(ctx, archive)
			}
		}
		return err
	case len(args) > 3 && args[0] == "image":
		return cluster.Image{Ref: args[2], Source: args[3], Command: args[4:]}.Write(args[1])
	case len(args) > 1 && args[0] == "forward":
		return forward(ctx, *dir, args[1:], stdout)
	default:
		return errors.New(usage)
	}
}

func up(ctx context.Context, o cluster.Options, out io.Writer) error {
	began := time.Now()
	c, err := cluster.Up(ctx, o)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, `A cluster is ready after %s. Its logs are in %s.

    export KUBECONFIG=%s
    alias kubectl='%s kubectl'
    kubectl get pods --all-namespaces

make cluster-down ends it.
`, time.Since(began).Round(100*time.Millisecond), c.Logs(), c.Kubeconfig(), c.Programs.Kubernetes)
	return err
}

func down(ctx context.Context, dir string, out io.Writer) error {
	c, err := cluster.Attach(dir)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := c.Down(ctx); err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, "The cluster has ended, and left nothing but its logs.")
	return err
}

func forward(ctx context.Context, dir string, ports []string, out io.Writer) error {
	c, err := cluster.Attach(dir)
	if err != nil {
		return err
	}
	for _, p := range ports {
		port, target, ok := strings.Cut(p, ":")
		if !ok {
			return errors.New(usage)
		}
		if !strings.Contains(target, ":") {
			target = net.JoinHostPort(node.Address, target)
		}
		l, err := c.Forward(ctx, net.JoinHostPort("127.0.0.1", port), target)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%s leads to %s\n", l, target); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return nil
}
