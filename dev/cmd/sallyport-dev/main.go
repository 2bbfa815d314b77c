//go:build !race

// Command sallyport-dev runs the gateway in development mode, and the demo.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/adapters/telemetry"
	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/dev/demo"
	"github.com/sallyport/sallyport/dev/instance"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "sallyport-dev:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

func command() *cobra.Command {
	o := instance.Defaults()
	root := &cobra.Command{
		Use:           "sallyport-dev",
		Short:         "The gateway in development mode: everything in one process, on loopback",
		Long:          "The gateway in development mode: a Temporal server with its Web UI, an identity\nprovider, the API and the worker in one process, on loopback. It shows how\nthings work and is no security boundary.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	f := root.PersistentFlags()
	f.StringVar(&o.Dir, "dir", o.Dir, "`directory` of the state")
	f.StringVar(&o.API, "api", o.API, "`address` of the API; a taken port becomes a free one")
	f.StringVar(&o.Temporal, "temporal", o.Temporal, "`address` of Temporal's frontend")
	f.StringVar(&o.TemporalUI, "temporal-ui", o.TemporalUI, "`address` of Temporal's Web UI")
	f.StringVar(&o.IdentityProvider, "identity-provider", o.IdentityProvider, "`address` of the identity provider")
	f.StringVar(&o.Executor, "executor", o.Executor, "`file` of the executor, if it isn't the toolexec beside this program")
	run := &cobra.Command{
		Use: "up", Short: "Run until interrupted", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return up(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	run.Flags().StringVar(&o.Webhook, "webhook", "", "`URL` that is told of calls that wait for people; it gets a secret, webhook.secret in the state")
	root.AddCommand(run, &cobra.Command{
		Use: "demo", Short: "Walk through the main job, on a running instance or one of its own", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return tell(cmd.Context(), o, cmd.OutOrStdout()) },
	})
	return root
}

func up(ctx context.Context, o instance.Options, out, logs io.Writer) (err error) {
	if o.Logger, err = telemetry.NewLogger(logs, telemetry.LogOptions{Format: "text"}); err != nil {
		return err
	}
	err = instance.Run(ctx, o, func(i client.Instance) error {
		_, err := fmt.Fprintf(out, `
Sallyport runs in development mode: one process, one user, no security boundary.

  API                %s
  Temporal UI        %s
  identity provider  %s
  Temporal           %s
  state              %s

Try:  bin/sallyport call gitops_get_manifest --as deploy-bot --arg environment=staging --arg name=api%s
Stop: Ctrl-C; the next start picks up where this one was.

`, i.API, i.TemporalUI, i.IdentityProvider, i.Temporal, i.Dir, devDir(o.Dir))
		return err
	})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// devDir is the flag that names the state's directory, where it is not the one
// that the client takes without being told.
func devDir(dir string) string {
	if dir == instance.Defaults().Dir {
		return ""
	}
	return " --dev-dir '" + strings.ReplaceAll(dir, "'", `'\''`) + "'"
}

// tell tells the demo's story on the instance that runs in the directory, or
// on one that it starts for the purpose and stops afterwards.
func tell(ctx context.Context, o instance.Options, out io.Writer) error {
	if i, err := client.ReadInstance(o.Dir); err == nil {
		if _, err := i.IdentityToken(ctx, "bob", "sallyport"); err == nil {
			fmt.Fprintf(out, "Using the instance that runs in %s.\n", i.Dir)
			return story(ctx, i, out)
		}
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return err
	}
	path := filepath.Join(o.Dir, "demo.log")
	logs, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer logs.Close()
	if o.Logger, err = telemetry.NewLogger(logs, telemetry.LogOptions{Format: "text", Level: slog.LevelDebug}); err != nil {
		return err
	}
	fmt.Fprintf(out, "Starting everything in one process; its log is %s.\n", path)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var told error
	err = instance.Run(ctx, o, func(i client.Instance) error {
		defer stop()
		told = story(ctx, i, out)
		return nil
	})
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(told, err)
}

func story(ctx context.Context, i client.Instance, out io.Writer) error {
	o := instance.Demo(i)
	o.Out = out
	return demo.Tell(ctx, o)
}
