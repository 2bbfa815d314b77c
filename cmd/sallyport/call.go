package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
)

// How long one request waits for a call to end, and between looks at one that
// has just begun.
const (
	pollWait     = 20 * time.Second
	firstPause   = 50 * time.Millisecond
	longestPause = time.Second
)

func callCommand() *cobra.Command {
	var c calling
	cmd := &cobra.Command{
		Use:   "call {TOOL [--arg name=value]... | --follow ID}",
		Short: "Call a tool as an agent, and wait for the result",
		Long: `Call a tool as an agent, and wait until the call has ended.

Arguments are given one by one, or as one JSON object with --arguments. A value of
--arg that is JSON is taken as such, and any other as a string; a value of
--arg-string is always a string. The result is printed as
JSON on standard output; progress goes to standard error. It was made by a tool
and is untrusted: don't let a model take it for instructions.

Ctrl-C ends this command, and not the call: --follow waits for a call that was
made before.

The exit code is 0 when the call succeeded, 2 when it ran and failed or is
ambiguous, 3 when it did not run, 4 when this command was stopped and the call
goes on, and 1 after any other error: see ` + "`sallyport help exit-codes`" + `.`,
		Example: `  sallyport call gitops_get_manifest --as deploy-bot --arg environment=staging --arg name=api
  sallyport call gitops_scale_deployment --as deploy-bot --arg environment=production --arg name=api --arg replicas=5 --reason "load test"
  sallyport call gitops_set_image --as deploy-bot --arguments - < arguments.json`,
		Args: func(cmd *cobra.Command, words []string) error {
			if c.follow != "" {
				return cobra.NoArgs(cmd, words)
			}
			return cobra.ExactArgs(1)(cmd, words)
		},
		RunE: func(cmd *cobra.Command, words []string) error { return c.run(cmd, words) },
	}
	f := cmd.Flags()
	c.arguments.flags(f)
	statedFlags(f, &c.submission)
	f.StringVar(&c.submission.Key, "key", "", "idempotency `key`: the same key and body is the same call")
	f.StringVar(&c.follow, "follow", "", "`id` of a call that was made before: wait for it, and make none")
	c.connection.flags(cmd)
	cmd.ValidArgsFunction = c.connection.completes(toolNames)
	c.connection.completesFlag(cmd, "follow", openIDs)
	return cmd
}

// calling is what the flags of call say.
type calling struct {
	connection connection
	arguments  arguments
	submission client.Submission
	follow     string // the call that was made before
}

func (c *calling) run(cmd *cobra.Command, words []string) error {
	ctx := cmd.Context()
	var err error
	if c.follow == "" { // before a log-in
		if c.submission.Arguments, err = c.arguments.read(cmd.InOrStdin()); err != nil {
			return err
		}
	}
	api, err := c.connection.client(ctx)
	if err != nil {
		return err
	}
	var call client.Call
	if c.follow != "" {
		call, err = api.Get(ctx, c.follow, 0)
		call.ID = c.follow // also where Ctrl-C came first
	} else {
		c.submission.Tool = words[0]
		call, err = submit(ctx, api, c.submission) // it waits for nothing, so that its id is known at once
	}
	return followCall(ctx, api, call, err, screen{cmd.OutOrStdout(), cmd.ErrOrStderr(), c.connection.sameFlags()})
}

// screen is where a call is shown, and how another command comes to the same
// gateway as the same identity.
type screen struct {
	out, progress io.Writer
	flags         string
}

// followCall shows how a call goes until it has ended. A call does not end with
// the command that follows it.
func followCall(ctx context.Context, api *client.Client, call client.Call, err error, s screen) error {
	shown, pause := sallyport.State(""), firstPause
	for err == nil && !call.State.Final() {
		if call.State != shown {
			shown = call.State
			showProgress(s.progress, call)
		}
		patience := pollWait
		if call.State == sallyport.StatePending { // a poll returns when a call ends, and not when it comes to wait for people
			patience = 0
			rest(ctx, pause)
			pause = min(2*pause, longestPause)
		}
		var next client.Call
		if next, err = api.Get(ctx, call.ID, patience); err == nil {
			call = next
		}
	}
	switch {
	case err != nil && ctx.Err() != nil && call.ID == "":
		fmt.Fprintf(s.progress, "stopped before the gateway responded: it may have taken the call, which then goes on\nlook for it with:\n  sallyport list%s\n", s.flags)
		return exitStopped
	case err != nil && ctx.Err() != nil:
		fmt.Fprintf(s.progress, "call %s goes on: only this command has stopped\nfollow it with:\n  sallyport call --follow %s%s\nor stop it with:\n  sallyport cancel %s%s\n", cell(call.ID), cell(call.ID), s.flags, cell(call.ID), s.flags)
		return exitStopped
	case err != nil:
		return err
	}
	return showEnd(call, s.out, s.progress)
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// submit makes a call. An accepted call that has ended already is no error, in
// whatever state: its record says more than the problem does.
func submit(ctx context.Context, api *client.Client, s client.Submission) (client.Call, error) {
	call, err := api.Submit(ctx, s)
	p, ok := errors.AsType[*client.Problem](err)
	if !ok || p.CallID == "" || p.Code == sallyport.CodeIdempotencyMismatch { // then it is another call
		return call, err
	}
	if ended, getErr := api.Get(ctx, p.CallID, 0); getErr == nil && ended.State.Final() {
		return ended, nil
	}
	return call, err
}

func showProgress(w io.Writer, call client.Call) {
	fmt.Fprintf(w, "call %s: %s\n", call.ID, call.State)
	if call.State != sallyport.StateAwaitingApproval || call.Ballot == nil {
		return
	}
	showPlan(w, call)
	fmt.Fprintf(w, "%d of %v must approve by %s:\n  sallyport approve %s\n", call.Ballot.Quorum, call.Ballot.Groups,
		call.Ballot.ExpiresAt.Format(time.RFC3339), call.ID)
	if call.Links.Approve != "" {
		fmt.Fprintf(w, "  %s\n", call.Links.Approve)
	}
}

func showPlan(w io.Writer, call client.Call) {
	if call.Plan != nil {
		fmt.Fprint(w, quote(call.Plan.Summary), quoteDiff(w, call.Plan.Diff))
	}
	if call.Decision != nil {
		for _, r := range call.Decision.Reasons {
			fmt.Fprintf(w, "policy: %s: %s\n", sallyport.Visible(r.Code), sallyport.Visible(r.Message))
		}
	}
}

func showEnd(call client.Call, out, progress io.Writer) error {
	fmt.Fprintf(progress, "call %s: %s\n", call.ID, call.State)
	if e := call.Error; e != nil {
		fmt.Fprintf(progress, "%s: %s\n", sallyport.Visible(e.Code), sallyport.Visible(e.Message))
		for _, f := range e.Errors {
			fmt.Fprintf(progress, "  %s: %s\n", sallyport.Visible(f.Pointer), sallyport.Visible(f.Detail))
		}
		for _, r := range e.Reasons {
			if r.Code != e.Code || r.Message != e.Message {
				fmt.Fprintf(progress, "%s: %s\n", sallyport.Visible(r.Code), sallyport.Visible(r.Message))
			}
		}
	}
	if call.Result != nil {
		text, err := asJSON(call.Result.Content)
		if err != nil {
			return err
		}
		if _, err := out.Write(text); err != nil {
			return err
		}
	}
	switch {
	case call.State == sallyport.StateSucceeded:
		return nil
	case call.State.Ran():
		return exitFailed
	default:
		return exitNotRun
	}
}
