//go:build !race

// Command temporal-server is a Temporal server for the gateway, for teams that
// have none: on PostgreSQL, with an allow list of methods by role.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/temporal-server/standalone"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "temporal-server:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "temporal-server",
		Short: "A Temporal server for the gateway, on PostgreSQL",
		Long: `Run a Temporal server for Sallyport, with its Web UI, on PostgreSQL.

It is the stock Temporal server in one process, with these differences:

  - Least privilege by an allow list of methods for each role: the gateway
    starts calls and sends votes, workers poll for tasks, approvers read and
    signal "approve", operators cancel, terminate and reset (without votes),
    readers read. All other requests are denied.
  - The server writes the authenticated principal into the events of history,
    so that votes by signal count for the person who sent them.
  - Its internal ports listen on loopback and require a certificate that only
    this process has.
  - Schedules, batch operations and stand-alone activities are off.

Before the first start, make two databases that belong to its user:

  createuser --pwprompt temporal
  createdb --owner temporal temporal
  createdb --owner temporal temporal_visibility

Tables, namespace and search attributes are made, and later brought up to date,
by the server itself. One server runs on a database at a time; another one waits
for ten seconds and gives up.

The tokens of the API and of the worker are written to gateway.token and
worker.token in the directory "tokens", and again before they expire: name these
files as temporal.token_file in the gateway's two configurations. In Kubernetes
no file has to be copied between pods: "services" accepts the tokens of service
accounts instead, which the kubelet mounts into the gateway's pods. People log
in at their identity provider; their roles follow from their groups in the
gateway's identity table.`,
		Example: `  temporal-server --config /etc/sallyport/temporal.yaml

  # temporal.yaml
  postgres: {host: 127.0.0.1, user: temporal, password_file: postgres.password}
  tokens: /run/sallyport
  people:
    issuer: https://login.example.com
    audience: temporal
    identities: identities.yaml
    approver_groups: [sre]
    operator_groups: [operators]
    reader_groups: [auditors]
  ui:
    listen: 127.0.0.1:8233
    url: http://127.0.0.1:8233
    client_id: temporal-ui
    client_secret_file: ui.secret`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := standalone.Load(path)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), c, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVarP(&path, "config", "c", "temporal.yaml", "configuration `file`")
	return cmd
}
