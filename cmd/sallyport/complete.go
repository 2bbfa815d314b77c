package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
)

// completionPatience is how long a shell waits for the gateway after the Tab key.
const completionPatience = 2 * time.Second

// lister asks the gateway for words that a command takes.
type lister func(context.Context, *client.Client) ([]cobra.Completion, error)

// completes offers words for a command's first argument. Where the gateway gives
// none, or not in time, it offers none and says nothing.
func (c *connection) completes(list lister) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionPatience)
		defer cancel()
		var words []cobra.Completion
		api, err := c.client(ctx)
		if err == nil {
			words, err = list(ctx, api)
		}
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		words = slices.DeleteFunc(words, func(w cobra.Completion) bool { return !strings.HasPrefix(w, begun) })
		return words, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

func toolNames(ctx context.Context, api *client.Client) (words []cobra.Completion, err error) {
	tools, err := api.Tools(ctx)
	for _, t := range tools {
		words = append(words, cobra.CompletionWithDesc(cell(t.Name), cell(t.Title)))
	}
	return words, err
}

// callIDs lists the newest calls that the caller may list, or else those that wait for
// their vote.
func callIDs(ctx context.Context, api *client.Client) ([]cobra.Completion, error) {
	page, err := api.Calls(ctx, sallyport.Query{})
	if err != nil {
		return ballotIDs(ctx, api)
	}
	return described(page.Calls), nil
}

// openIDs lists the newest calls that have not ended.
func openIDs(ctx context.Context, api *client.Client) ([]cobra.Completion, error) {
	open := slices.DeleteFunc(sallyport.States(), sallyport.State.Final)
	page, err := api.Calls(ctx, sallyport.Query{States: open})
	return described(page.Calls), err
}

func ballotIDs(ctx context.Context, api *client.Client) ([]cobra.Completion, error) {
	page, err := api.Ballots(ctx, 0, "")
	return described(page.Ballots), err
}

func described(calls []client.Call) (words []cobra.Completion) {
	for _, c := range calls {
		words = append(words, cobra.CompletionWithDesc(cell(c.ID), cell(string(c.State)+" "+c.Tool+" "+target(c))))
	}
	return words
}

func freezeIDs(ctx context.Context, api *client.Client) (words []cobra.Completion, err error) {
	held, err := api.Freezes(ctx)
	for _, f := range held {
		words = append(words, cobra.CompletionWithDesc(cell(f.ID), cell(scope(f))))
	}
	return words, err
}

// completesFlag offers words for the value of a flag.
func (c *connection) completesFlag(cmd *cobra.Command, flag string, list lister) {
	err := cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return c.completes(list)(cmd, nil, begun)
	})
	if err != nil {
		panic(err) // the command defines the flag
	}
}
