package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
)

func approveCommand() *cobra.Command {
	var c connection
	var reject, yes bool
	var reason string
	cmd := &cobra.Command{
		Use:   "approve CALL",
		Short: "See what a call would do, and vote on it",
		Long: `Show what a call would do, who asks and why policy asks you, then vote.

The vote names the digest of what was shown: if anything about it changes, the
vote is for something else and does not count. Why the agent asks, in its own
words, stands in the Temporal UI.`,
		Example: `  sallyport approve k3v9qf2m7c5n4a6b8d1e3g0h2j --as bob`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client(cmd.Context())
			if err != nil {
				return err
			}
			call, err := api.Get(cmd.Context(), args[0], 0)
			if err != nil {
				return err
			}
			paper := sallyport.BallotPaper{Verdict: sallyport.Approve, Reason: reason}
			if reject {
				paper.Verdict = sallyport.Reject
			}
			if err := showBallot(cmd.OutOrStdout(), call); err != nil {
				return err
			}
			paper.Ballot = call.Ballot.Digest
			if !yes {
				if err := confirm(cmd.InOrStdin(), cmd.OutOrStdout(), paper.Verdict); err != nil {
					return err
				}
			}
			if call, err = api.Vote(cmd.Context(), call.ID, paper); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "your vote counted; the call is %s\n", call.State)
			return err
		},
	}
	f := cmd.Flags()
	f.BoolVar(&reject, "reject", false, "vote no: one no ends the call")
	f.BoolVarP(&yes, "yes", "y", false, "don't ask before voting")
	f.StringVar(&reason, "reason", "", "why; it is recorded and shown")
	c.flags(cmd)
	return cmd
}

func showBallot(w io.Writer, call client.Call) error {
	if call.Ballot == nil || call.State != sallyport.AwaitingApproval {
		return fmt.Errorf("call %s does not wait for votes: it is %s", call.ID, call.State)
	}
	fmt.Fprintf(w, "agent    %s\ntool     %s\n", sallyport.Visible(call.Agent), sallyport.Visible(call.Tool))
	if i := call.Intent; i != nil {
		fmt.Fprintf(w, "what     %s %s\ntarget   %s/%s\n", sallyport.Visible(i.Action), sallyport.Visible(i.Resource),
			sallyport.Visible(i.Namespace), sallyport.Visible(i.Name))
	}
	fmt.Fprintf(w, "ballot   %s\nneeds    %d of %v by %s\n\n", call.Ballot.Digest, call.Ballot.Quorum, call.Ballot.Groups,
		call.Ballot.ExpiresAt.Format(time.RFC3339))
	showPlan(w, call)
	for _, v := range call.Ballot.Votes {
		fmt.Fprintf(w, "%s voted %s %s\n", sallyport.Visible(v.Person), v.Verdict, sallyport.Visible(v.Reason))
	}
	return nil
}

func confirm(in io.Reader, out io.Writer, v sallyport.Verdict) error {
	fmt.Fprintf(out, "\n%s this call? Type yes: ", v)
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if strings.TrimSpace(line) != "yes" {
		return errors.New("you did not vote")
	}
	return nil
}
