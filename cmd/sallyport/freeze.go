package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
)

func freezeCommand() *cobra.Command {
	var as operator
	var f client.Freeze
	cmd := &cobra.Command{
		Use:   "freeze [--agent A] [--tool T] [--namespace N] --reason WHY",
		Short: "Stop an agent, a tool, a namespace or everything, now",
		Long: `The kill switch: stop calls until an operator lifts the freeze. New calls are
denied, calls that wait for people are ended, and running calls are killed and
their permissions revoked. With several of --agent, --tool and --namespace it stops the
calls that match all of them; --everything stops all calls.

No policy overrides a freeze: the ledger checks for freezes in the transaction that
records a call's start. Calls that a freeze has ended stay ended.

A name that the gateway does not know is refused, since such a freeze would stop
nothing: --force freezes it anyway. The same freeze twice is one freeze. Without a
token you log in in your browser.`,
		Example: `  sallyport freeze --agent deploy-bot --reason 'it scales up and down'
  sallyport freeze --namespace production --reason 'sale' --as olga
  sallyport freeze list --as olga
  sallyport freeze lift ID --as olga`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkFreeze(f); err != nil {
				return err
			}
			api, err := as.client(cmd)
			if err != nil {
				return err
			}
			made, err := api.Freeze(cmd.Context(), f)
			if err != nil {
				return inFlags(err)
			}
			return showFreeze(cmd.OutOrStdout(), made)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.Agent, "agent", "", "`id` of the agent to stop")
	flags.StringVar(&f.Tool, "tool", "", "`name` of the tool to stop")
	flags.StringVar(&f.Namespace, "namespace", "", "`namespace` to stop, or environment")
	flags.BoolVar(&f.Everything, "everything", false, "stop everything")
	flags.BoolVar(&f.Force, "force", false, "freeze an agent, a tool or a namespace that the gateway does not know")
	flags.StringVar(&f.Reason, "reason", "", "why; it is recorded, and agents and approvers read it")
	as.flags(cmd)
	cmd.AddCommand(freezeListCommand(), freezeLiftCommand())
	return cmd
}

// operator is how the commands about freezes find out as whom to speak.
type operator struct {
	connection connection
	login      login
}

func (o *operator) flags(cmd *cobra.Command) {
	o.connection.flags(cmd)
	o.login.flags(cmd)
}

func (o *operator) client(cmd *cobra.Command) (*client.Client, error) {
	return o.login.client(cmd.Context(), &o.connection, cmd.ErrOrStderr())
}

// reader is the same for a command that only reads: a log-in that is kept will do.
func (o *operator) reader(cmd *cobra.Command) (*client.Client, error) {
	if o.connection.anonymous() && o.connection.keeps() {
		return o.connection.client(cmd.Context())
	}
	return o.client(cmd)
}

// checkFreeze finds in the flags what the gateway would find in the body.
func checkFreeze(f client.Freeze) error {
	scoped := f.Agent != "" || f.Tool != "" || f.Namespace != ""
	switch {
	case !scoped && !f.Everything:
		return errors.New("say what to freeze: --agent, --tool, --namespace, several of them, or --everything")
	case scoped && f.Everything:
		return errors.New("--everything stops all calls: leave --agent, --tool and --namespace out, or leave it out")
	case f.Reason == "":
		return errors.New("--reason is missing: it is recorded, and agents and approvers read it")
	}
	return nil
}

// inFlags is a problem in the words of the command line: flags instead of JSON
// Pointers.
func inFlags(err error) error {
	p, ok := errors.AsType[*client.Problem](err)
	if !ok || len(p.Errors) == 0 {
		return err
	}
	lines := make([]string, 0, len(p.Errors))
	for _, f := range p.Errors {
		detail := strings.ReplaceAll(f.Detail, `"force": true`, "--force")
		lines = append(lines, sallyport.Visible("--"+strings.TrimPrefix(f.Pointer, "/")+": "+detail))
	}
	return errors.New(strings.Join(lines, "\n"))
}

func showFreeze(w io.Writer, f client.Freeze) error {
	fmt.Fprintf(w, "%s is frozen: %s\n", scope(f), sallyport.Visible(f.Reason))
	if len(f.Matches) > 0 {
		fmt.Fprintf(w, "it matches %s\n", sallyport.Visible(strings.Join(f.Matches, ", ")))
	}
	for _, warning := range f.Warnings {
		fmt.Fprintf(w, "warning: %s\n", sallyport.Visible(warning))
	}
	_, err := fmt.Fprintf(w, "%d calls are being stopped\nlift it with: sallyport freeze lift %s\n", f.Open, f.ID)
	return err
}

func scope(f client.Freeze) string {
	return sallyport.Visible(sallyport.Freeze{Agent: f.Agent, Tool: f.Tool, Namespace: f.Namespace}.Scope())
}

func freezeListCommand() *cobra.Command {
	var as operator
	var o output
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the freezes that hold",
		Long: `List what is frozen, since when, by whom and why, and how many calls that it
stops have not ended yet. For operators and auditors.`,
		Example: `  sallyport freeze list --as audra`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := as.reader(cmd)
			if err != nil {
				return err
			}
			held, err := api.Freezes(cmd.Context())
			if err != nil {
				return err
			}
			return o.print(cmd.OutOrStdout(), map[string]any{"freezes": held}, func(w io.Writer) error {
				if len(held) == 0 {
					_, err := fmt.Fprintln(w, "nothing is frozen")
					return err
				}
				all := make([][]string, 0, len(held))
				for _, f := range held {
					all = append(all, []string{f.ID, scope(f), f.At.Format(time.RFC3339), f.By, strconv.Itoa(f.Open), f.Reason})
				}
				return rows(w, []string{"ID", "FROZEN", "SINCE", "BY", "OPEN CALLS", "WHY"}, all)
			})
		},
	}
	o.flags(cmd)
	as.flags(cmd)
	return cmd
}

func freezeLiftCommand() *cobra.Command {
	var as operator
	cmd := &cobra.Command{
		Use:   "lift ID",
		Short: "Lift a freeze",
		Long: `End a freeze, so that new calls may start again. What it has ended stays ended:
agents have to ask anew. For operators.`,
		Example: `  sallyport freeze lift ii67cfqdxj7iwn3l26mgwug2ru --as olga`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := as.client(cmd)
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
	as.flags(cmd)
	cmd.ValidArgsFunction = as.connection.completes(freezeIDs)
	return cmd
}
