package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
)

// reader is what the commands that read have in common.
type reader struct {
	connection
	output
}

func (r *reader) flags(cmd *cobra.Command) {
	r.output.flags(cmd)
	r.connection.flags(cmd)
}

func getCommand() *cobra.Command {
	var r reader
	cmd := &cobra.Command{
		Use:   "get CALL",
		Short: "Show a call",
		Long: `Show a call as it stands: its target, what policy decided, the plan, the votes,
and the result. For its agent, that agent's owner, operators, auditors, and the
people who may vote on it.

All of it is on the gateway's word: to vote, use ` + "`sallyport approve`" + `, and for a
proof, ` + "`sallyport prove`" + `. To wait for the end of a call, use
` + "`sallyport call --follow`" + `.`,
		Example: `  sallyport get ii67cfqdxj7iwn3l26mgwug2ru
  sallyport get ii67cfqdxj7iwn3l26mgwug2ru -o json --as deploy-bot`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			call, err := api.Get(cmd.Context(), args[0], 0)
			if err != nil {
				return err
			}
			return r.print(cmd.OutOrStdout(), call, func(w io.Writer) error { return showCall(w, call) })
		},
	}
	r.flags(cmd)
	cmd.ValidArgsFunction = r.completes(callIDs)
	return cmd
}

// showCall shows a whole call, with each line of foreign text behind a bar.
func showCall(w io.Writer, call client.Call) error {
	fact(w, "call", call.ID)
	fact(w, "state", string(call.State))
	fact(w, "agent", call.Agent)
	fact(w, "tool", call.Tool)
	if i := call.Intent; i != nil {
		fact(w, "what", i.Action+" "+i.Resource)
		fact(w, "target", i.Namespace+"/"+i.Name)
		fact(w, "intent", string(i.Digest))
	}
	fact(w, "asked", call.CreatedAt.UTC().Format(time.RFC3339))
	if call.FinishedAt != nil {
		fact(w, "ended", call.FinishedAt.UTC().Format(time.RFC3339))
	}
	if call.TraceID != nil {
		fact(w, "trace", *call.TraceID)
	}
	if d := call.Decision; d != nil {
		fact(w, "policy", string(d.Effect))
		showReasons(w, d.Reasons, d.Hint)
	}
	showBallot(w, call.Ballot)
	showAsked(w, call.Covered)
	if p := call.Plan; p != nil {
		fmt.Fprintf(w, "\nWhat would change (the tool's words):\n%s%s", quote(p.Summary), quoteDiff(w, p.Diff))
	}
	if e := call.Error; e != nil {
		fmt.Fprintf(w, "\nIt did not succeed:\n%s", quote(e.Code+": "+e.Message))
		for _, f := range e.Errors {
			fmt.Fprint(w, quote(f.Pointer+": "+f.Detail))
		}
	}
	if call.Result != nil {
		fmt.Fprintf(w, "\nThe result (the tool's words, untrusted):\n%s", quote(sallyport.Indented(call.Result.Content)))
	}
	return nil
}

func showReasons(w io.Writer, reasons []sallyport.Reason, hint string) {
	for _, r := range reasons {
		fmt.Fprint(w, quote(r.Code+": "+r.Message))
	}
	if hint != "" {
		fmt.Fprint(w, quote("hint: "+hint))
	}
}

func showBallot(w io.Writer, b *client.Ballot) {
	if b == nil {
		return
	}
	fact(w, "ballot", string(b.Digest))
	fact(w, "needs", fmt.Sprintf("%d of %v until %s, by %v", b.Quorum, b.Groups, b.ExpiresAt.UTC().Format(time.RFC3339), b.Evidence))
	for _, v := range b.Votes {
		fmt.Fprint(w, quote(v.Person+" voted "+string(v.Verdict)+" ("+string(v.Evidence)+") "+v.Reason))
	}
}

// showAsked shows the arguments and the agent's own words, which the gateway gives
// to people.
func showAsked(w io.Writer, c *client.CoveredTexts) {
	var i sallyport.Intent
	if c == nil || json.Unmarshal([]byte(c.Intent), &i) != nil {
		return
	}
	fmt.Fprintf(w, "\nArguments:\n%s", quote(sallyport.Indented(i.Arguments)))
	showStated(w, i.Stated)
}
