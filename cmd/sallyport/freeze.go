package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
)

func freezeCommand() *cobra.Command {
	var conn connection
	var f client.Freeze
	cmd := &cobra.Command{
		Use:   "freeze [--agent A] [--tool T] [--namespace N] --reason WHY",
		Short: "Stop an agent, a tool, a namespace or everything, now",
		Long: `The kill switch: stop calls until an operator lifts the freeze. New calls are
denied, calls that wait for people are ended, and running calls are killed and
their permissions revoked. With several of --agent, --tool and --namespace it stops the
calls that match all of them; --everything stops all calls.

No policy overrides a freeze: the ledger checks for freezes in the transaction that
records a call's start. Calls that a freeze has ended stay ended.`,
		Example: `  sallyport freeze --agent deploy-bot --reason 'it scales up and down' --as olga
  sallyport freeze list --as olga
  sallyport freeze lift ID --as olga`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := conn.client(cmd.Context())
			if err != nil {
				return err
			}
			made, err := api.Freeze(cmd.Context(), f)
			if err != nil {
				return err
			}
			return showFreeze(cmd.OutOrStdout(), made)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.Agent, "agent", "", "`id` of the agent to stop")
	flags.StringVar(&f.Tool, "tool", "", "`name` of the tool to stop")
	flags.StringVar(&f.Namespace, "namespace", "", "`namespace` to stop, or environment")
	flags.BoolVar(&f.Everything, "everything", false, "stop everything")
	flags.StringVar(&f.Reason, "reason", "", "why; it is recorded, and agents and approvers read it")
	conn.flags(cmd)
	cmd.AddCommand(freezeListCommand(), freezeLiftCommand())
	return cmd
}

func showFreeze(w io.Writer, f client.Freeze) error {
	_, err := fmt.Fprintf(w, "%s is frozen: %s\n%d calls are being stopped\nlift it with: sallyport freeze lift %s\n",
		scope(f), sallyport.Visible(f.Reason), f.Open, f.ID)
	return err
}

func scope(f client.Freeze) string {
	return sallyport.Visible(sallyport.Freeze{Agent: f.Agent, Tool: f.Tool, Namespace: f.Namespace}.Scope())
}

func freezeListCommand() *cobra.Command {
	var conn connection
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the freezes that hold",
		Long: `List what is frozen, since when, by whom and why, and how many calls that it
stops have not ended yet. For operators and auditors.`,
		Example: `  sallyport freeze list --as audra`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := conn.client(cmd.Context())
			if err != nil {
				return err
			}
			held, err := api.Freezes(cmd.Context())
			if err != nil {
				return err
			}
			if len(held) == 0 {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "nothing is frozen")
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "ID\tFROZEN\tSINCE\tBY\tOPEN CALLS\tWHY")
			for _, f := range held {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\n", f.ID, scope(f), f.At.Format(time.RFC3339), sallyport.Visible(f.By), f.Open, sallyport.Visible(f.Reason))
			}
			return w.Flush()
		},
	}
	conn.flags(cmd)
	return cmd
}

func freezeLiftCommand() *cobra.Command {
	var conn connection
	cmd := &cobra.Command{
		Use:   "lift ID",
		Short: "Lift a freeze",
		Long: `End a freeze, so that new calls may start again. What it has ended stays ended:
agents have to ask anew. For operators.`,
		Example: `  sallyport freeze lift ii67cfqdxj7iwn3l26mgwug2ru --as olga`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := conn.client(cmd.Context())
			if err != nil {
				return err
			}
			f, err := api.Lift(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is frozen no more\n", scope(f))
			return err
		},
	}
	conn.flags(cmd)
	return cmd
}
