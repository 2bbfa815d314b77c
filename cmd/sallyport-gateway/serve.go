package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/sallyport/sallyport/cmd/internal/cli"
	"github.com/sallyport/sallyport/gateway"
)

func apiCommand() *cobra.Command {
	return serveCommand(&cobra.Command{
		Use:   "api",
		Short: "Serve the REST API",
		Long: `Serve the REST API that agents submit calls to.

The API authenticates agents and people, signs their calls and passes them to
Temporal. It holds the signing key and no permission to run anything: give it its own
configuration, its own Temporal credentials and no access to targets.`,
		Example: `  sallyport-gateway api --config /etc/sallyport/api.yaml`,
	}, "sallyport-api", func(ctx context.Context, g *gateway.Gateway, c gateway.Config) error {
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", c.API.Listen)
		if err != nil {
			return fmt.Errorf("api.listen: %w", err)
		}
		return g.ServeAPI(ctx, l)
	})
}

func workerCommand() *cobra.Command {
	return serveCommand(&cobra.Command{
		Use:   "worker",
		Short: "Run calls",
		Long: `Poll Temporal for calls and run them.

The worker is the policy enforcement point. It holds the API's public keys, the
ledger and the way to the targets. It can invent no call: it runs calls that the
API signed, policy allows and people approved, and verifies all three again before
each run.`,
		Example: `  sallyport-gateway worker --config /etc/sallyport/worker.yaml`,
	}, "sallyport-worker", func(ctx context.Context, g *gateway.Gateway, _ gateway.Config) error {
		return g.RunWorker(ctx)
	})
}

// serveCommand opens the gateway that a configuration describes and serves
// until it is told to stop.
func serveCommand(cmd *cobra.Command, name string, serve func(context.Context, *gateway.Gateway, gateway.Config) error) *cobra.Command {
	var path string
	cmd.Flags().StringVarP(&path, "config", "c", "sallyport.yaml", "configuration `file`")
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		c, err := gateway.Load(path)
		if err != nil {
			return err
		}
		logger, err := c.Log.Logger(cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		g, err := gateway.Open(cmd.Context(), gateway.Options{Config: c, Name: name, Version: cli.Version(), Logger: logger})
		if err != nil {
			return err
		}
		defer func() {
			if cerr := g.Close(); err == nil {
				err = cerr
			}
		}()
		logger.InfoContext(cmd.Context(), "starting", slog.String("program", name), slog.String("version", cli.Version()))
		group, ctx := errgroup.WithContext(cmd.Context())
		group.Go(func() error { return g.Watch(ctx) })
		group.Go(func() error { return serve(ctx, g, c) })
		return group.Wait()
	}
	return cmd
}
