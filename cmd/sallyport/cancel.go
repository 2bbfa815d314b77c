package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func cancelCommand() *cobra.Command {
	var as operator
	var o output
	cmd := &cobra.Command{
		Use:   "cancel CALL",
		Short: "Stop a call",
		Long: `Ask a call to stop wherever it is. For its agent and operators. A call whose
tool is at work ends with what the tool did, or ambiguous, never cancelled.

Without a token you log in in your browser.`,
		Example: `  sallyport cancel ii67cfqdxj7iwn3l26mgwug2ru --as deploy-bot
  sallyport cancel ii67cfqdxj7iwn3l26mgwug2ru --as olga`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := as.client(cmd)
			if err != nil {
				return err
			}
			call, err := api.Cancel(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return o.print(cmd.OutOrStdout(), call, func(w io.Writer) error {
				text := fmt.Sprintf("call %s will stop; it is %s now\nsee its end with:\n  sallyport call --follow %s", cell(call.ID), call.State, cell(call.ID))
				if call.State.Final() {
					text = fmt.Sprintf("call %s has ended: %s", cell(call.ID), call.State)
				}
				_, err := fmt.Fprintln(w, text)
				return err
			})
		},
	}
	o.flags(cmd)
	as.flags(cmd)
	cmd.ValidArgsFunction = as.connection.completes(openIDs)
	return cmd
}
