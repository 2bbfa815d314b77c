package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/client"
)

func ballotsCommand() *cobra.Command {
	var r reader
	var limit int
	var cursor string
	cmd := &cobra.Command{
		Use:   "ballots",
		Short: "List the calls that wait for your vote",
		Long: `List the calls on which you may vote and have not voted, the oldest first. For
people. Calls of your own agents are not among them, and a page may have fewer
calls than its limit where there are more.

To see what a call would do and to vote on it, use ` + "`sallyport approve`" + `.`,
		Example: `  sallyport ballots --as bob
  sallyport ballots -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			page, err := api.Ballots(cmd.Context(), limit, cursor)
			if err != nil {
				return err
			}
			err = r.print(cmd.OutOrStdout(), page, func(w io.Writer) error { return writeBallots(w, page.Ballots) })
			if err == nil {
				noteMore(cmd, page.Cursor)
			}
			return err
		},
	}
	limitFlag(cmd.Flags(), &limit)
	cmd.Flags().StringVar(&cursor, "cursor", "", "`cursor` of the page before, to see the next one")
	r.flags(cmd)
	return cmd
}

func writeBallots(w io.Writer, calls []client.Call) error {
	if len(calls) == 0 {
		_, err := fmt.Fprintln(w, "no call waits for your vote")
		return err
	}
	all := make([][]string, 0, len(calls))
	for _, c := range calls {
		votes, until := "", ""
		if b := c.Ballot; b != nil {
			votes, until = fmt.Sprintf("%d of %d", len(b.Votes), b.Quorum), b.ExpiresAt.UTC().Format(time.RFC3339)
		}
		all = append(all, []string{c.ID, c.Agent, c.Tool, target(c), votes, until})
	}
	return rows(w, []string{"CALL", "AGENT", "TOOL", "TARGET", "VOTES", "UNTIL"}, all)
}
