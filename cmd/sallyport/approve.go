package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
)

func approveCommand() *cobra.Command {
	var v voting
	cmd := &cobra.Command{
		Use:   "approve CALL",
		Short: "See what a call would do, and vote on it",
		Long: `Show what a call would do and why, then vote.

The program recomputes the digest that the vote names from the call's intent with
its arguments, its plan, and the terms of the approval, and shows these. It
signs nothing if any digest does not hold. What no digest covers stands under
"The gateway says": a gateway that was taken over can lie there. If anything
that was shown changes, the vote is for something else and does not count.

You log in twice in your browser: to see the call, and once more to vote. The
second time the identity provider signs your verdict on this very ballot, so
that neither the gateway nor Temporal could make it up (evidence idp-signed).
With a token there is no need to log in to see the call; the vote is then on
the gateway's word (evidence api-attested), or signed if you say --login.`,
		Example: `  sallyport approve ii67cfqdxj7iwn3l26mgwug2ru
  sallyport approve ii67cfqdxj7iwn3l26mgwug2ru --reject --reason 'not during the sale'
  sallyport approve ii67cfqdxj7iwn3l26mgwug2ru --as bob`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return v.run(cmd, args[0]) },
	}
	f := cmd.Flags()
	f.BoolVar(&v.reject, "reject", false, "vote no: one no ends the call")
	f.BoolVarP(&v.yes, "yes", "y", false, "don't ask before voting")
	f.BoolVar(&v.signed, "login", false, "log in to vote although a token says who you are")
	f.StringVar(&v.ballot, "ballot", "", "`digest` of the ballot that a notification names: vote on no other")
	f.StringVar(&v.reason, "reason", "", "why; it is recorded and shown")
	v.connection.flags(cmd)
	v.login.flags(cmd)
	cmd.ValidArgsFunction = v.connection.completes(ballotIDs)
	return cmd
}

// voting is what the flags of approve say.
type voting struct {
	connection connection
	login      login
	ballot     string // that the person was told of, if any
	reject     bool
	yes        bool
	signed     bool
	reason     string
}

func (v *voting) run(cmd *cobra.Command, id string) error {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	api, signing, err := v.connect(ctx, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	call, err := api.Get(ctx, id, 0)
	if err != nil {
		return err
	}
	if call.Ballot == nil || call.State != sallyport.StateAwaitingApproval {
		return fmt.Errorf("call %s does not wait for votes: it is %s", id, sallyport.Visible(string(call.State)))
	}
	covered, err := client.Cover(id, call)
	if err != nil {
		return fmt.Errorf("nothing was signed: %w", err)
	}
	if v.ballot != "" && v.ballot != string(covered.Ballot) {
		return fmt.Errorf("nothing was signed: call %s waits for votes on ballot %s, not on %q; since a reset of its workflow it may be another wait: look without --ballot",
			id, covered.Ballot, v.ballot)
	}
	showCovered(out, covered)
	showGatewaysWord(out, call)
	paper := sallyport.BallotPaper{Verdict: sallyport.Approve, Ballot: covered.Ballot, Reason: v.reason}
	if v.reject {
		paper.Verdict = sallyport.Reject
	}
	if !v.yes {
		if err := confirm(cmd.InOrStdin(), out, paper.Verdict); err != nil {
			return err
		}
	}
	idToken := ""
	if signing != nil {
		if idToken, err = signing.SignVote(ctx, paper.Verdict, paper.Ballot); err != nil {
			return err
		}
	}
	if call, err = api.VoteSigned(ctx, id, paper, idToken); err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, afterVote(call, paper.Verdict))
	return err
}

// connect finds out who votes, and by whom the vote is to be signed: nil
// where it is on the gateway's word.
func (v *voting) connect(ctx context.Context, out io.Writer) (*client.Client, *client.Login, error) {
	if !v.connection.anonymous() && !v.signed {
		api, err := v.connection.client(ctx)
		return api, nil, err
	}
	at, err := v.login.at(&v.connection, out)
	if err != nil {
		return nil, nil, err
	}
	api, err := v.login.clientOf(ctx, &v.connection, at)
	return api, &at, err
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
