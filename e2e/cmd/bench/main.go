// Command bench measures what the gateway adds to a Job of Kubernetes. It
// starts a cluster with the gateway in it, as users deploy it, and takes turns:
// a bare Job, from the request that makes it to the end of its process, with
// the token of its account, as Kubernetes mounts it by default, and without;
// and a call of k8s_get_deployment, from POST to its result, with the account,
// role, network policy and record of its own. It prints the ratios, and where
// the time of a call goes.
//
// The kubelet looks every 300 ms whether a pod's volumes are there
// (podAttachAndMountRetryInterval of Kubernetes 1.37), and so no process with a
// token starts sooner. That is the difference between the two bare Jobs.
//
//	bench -runs 20
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sallyport/sallyport/e2e/cluster"
	"github.com/sallyport/sallyport/e2e/platform"
)

func main() {
	runs := flag.Int("runs", 20, "how many of each")
	limit := flag.Float64("limit", 1.5, "end with status 1 if the median of calls is more than so many medians of Jobs with a token; 0 never does")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *runs, *limit)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, runs int, limit float64) (err error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	c, err := cluster.Up(ctx, cluster.Options{Dir: filepath.Join(dir, "cluster"), Progress: os.Stderr})
	if err != nil {
		return err // with the directory left, for its logs
	}
	defer func() { err = errors.Join(err, c.Down(context.WithoutCancel(ctx)), os.RemoveAll(dir)) }()
	p, err := platform.Up(ctx, platform.Options{Cluster: c, Dir: filepath.Join(dir, "platform"), Progress: os.Stderr})
	if err != nil {
		return err
	}
	g, err := p.Install(ctx, map[string]any{"config": map[string]any{"shared": map[string]any{"log": map[string]any{"level": "debug"}}}})
	if err != nil {
		return err
	}
	agent, err := g.Client(ctx, "deploy-bot")
	if err != nil {
		return err
	}
	b := bench{platform: p, agent: agent}
	if err := b.namespace(ctx); err != nil {
		return err
	}
	measures := []func(context.Context) (time.Duration, error){
		func(ctx context.Context) (time.Duration, error) { return b.bare(ctx, false) },
		func(ctx context.Context) (time.Duration, error) { return b.bare(ctx, true) },
		b.call,
	}
	took := make([][]time.Duration, len(measures))
	for i := range runs + 1 {
		for m, measure := range measures {
			d, err := measure(ctx)
			if err != nil {
				return err
			}
			if i > 0 { // the first of each only warms up
				took[m] = append(took[m], d)
			}
		}
	}
	return b.report(ctx, os.Stdout, took[0], took[1], took[2], limit)
}
