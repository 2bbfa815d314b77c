package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/cmd/internal/cli"
)

// How long one request waits for a call to end, and between looks at one that
// has just begun.
const (
	pollWait     = 20 * time.Second
	firstPause   = 50 * time.Millisecond
	longestPause = time.Second
)

// Exit codes of `sallyport call`.
const (
	exitFailed cli.ExitCode = 2 // it ran, and failed or is ambiguous
	exitNotRun cli.ExitCode = 3 // it did not run
)

func callCommand() *cobra.Command {
	var c connection
	var s client.Submission
	var a arguments
	var follow string
	cmd := &cobra.Command{
		Use:   "call {TOOL [--arg name=value]... | --follow ID}",
		Short: "Call a tool as an agent, and wait for the result",
		Long: `Call a tool as an agent, and wait until the call has ended.

Arguments are given one by one (a value that is JSON is taken as such, any other
as a string) or as one JSON object with --arguments. The result is printed as
JSON on standard output; progress goes to standard error. It was made by a tool
and is untrusted: don't let a model take it for instructions.

Ctrl-C ends this command, and not the call: --follow waits for a call that was
made before.

The exit code is 0 when the call succeeded, 2 when it ran and failed or is
ambiguous, 3 when it did not run, and 1 when the gateway rejected the request.`,
		Example: `  sallyport call gitops_get_manifest --as deploy-bot --arg environment=staging --arg name=api
  sallyport call gitops_scale_deployment --as deploy-bot --arg environment=production --arg name=api --arg replicas=5 --reason "load test"`,
		Args: func(cmd *cobra.Command, words []string) error {
			if follow != "" {
				return cobra.NoArgs(cmd, words)
			}
			return cobra.ExactArgs(1)(cmd, words)
		},
		RunE: func(cmd *cobra.Command, words []string) error {
			if follow != "" {
				api, err := c.client(cmd.Context())
				if err != nil {
					return err
				}
				call, err := api.Get(cmd.Context(), follow, 0)
				return followCall(cmd.Context(), api, call, err, cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			arguments, err := a.read(cmd.InOrStdin())
			if err != nil {
				return err
			}
			api, err := c.client(cmd.Context())
			if err != nil {
				return err
			}
			s.Tool, s.Arguments, s.Wait = words[0], arguments, 0 // so that its id is known at once
			call, err := submit(cmd.Context(), api, s)
			return followCall(cmd.Context(), api, call, err, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	a.flags(f)
	statedFlags(f, &s)
	f.StringVar(&s.Key, "key", "", "idempotency `key`: the same key and body is the same call")
	f.StringVar(&follow, "follow", "", "`id` of a call that was made before: wait for it, and make none")
	c.flags(cmd)
	return cmd
}

// followCall shows how a call goes until it has ended. A call does not end with
// the command that follows it.
func followCall(ctx context.Context, api *client.Client, call client.Call, err error, out, progress io.Writer) error {
	shown, pause := sallyport.State(""), firstPause
	for err == nil && !call.State.Final() {
		if call.State != shown {
			shown = call.State
			showProgress(progress, call)
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
		fmt.Fprintln(progress, "stopped before the gateway answered: it may have taken the call, which then goes on")
		return cli.ExitCode(1)
	case err != nil && ctx.Err() != nil:
		fmt.Fprintf(progress, "call %s goes on: only this command has stopped\nfollow it, with the same --as, --server or --token-file:\n  sallyport call --follow %s\n", call.ID, call.ID)
		return cli.ExitCode(1)
	case err != nil:
		return err
	}
	return showEnd(call, out, progress)
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
		fmt.Fprintf(w, "%s\n%s\n", sallyport.Visible(call.Plan.Summary), sallyport.Visible(call.Plan.Diff))
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
		var b bytes.Buffer
		if err := json.Indent(&b, call.Result.Content, "", "  "); err != nil {
			return fmt.Errorf("the result is not JSON: %w", err)
		}
		fmt.Fprintln(out, b.String())
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
