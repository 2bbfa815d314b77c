// Command sallyport is the gateway and its tools: it serves the API, runs the
// worker, makes and approves calls, and verifies the ledger.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run is the program as a value: what it reads, what it writes, and how it
// exits.
func run(args []string, in io.Reader, out, errs io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := command()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	var code exitCode
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	default:
		fmt.Fprintln(errs, "sallyport:", err)
		return 1
	}
}

// exitCode is the error of a command that has said all there is to say.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit %d", int(c)) }

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "sallyport",
		Short: "The gateway that every tool call of an AI agent must pass",
		Long: `Sallyport stands between AI agents and infrastructure. Every tool call of an
agent is one durable workflow: validated, judged by policy, approved by people
where policy says so, run in a throw-away place with credentials made for that
call alone, and recorded in a log that nobody can quietly change.

Operators run ` + "`sallyport api`" + ` and ` + "`sallyport worker`" + `, each with the part of the
configuration and of the keys that it needs. Agents and people use the other
commands, or the REST API behind them.`,
		Example: `  sallyport call gitops_get_manifest --as deploy-bot --arg environment=staging --arg name=api
  sallyport approve CALL --as bob`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version(),
	}
	root.AddCommand(apiCommand(), workerCommand(), callCommand(), approveCommand(), freezeCommand(), tokenCommand(), ledgerCommand(), policyCommand(), toolsCommand())
	return root
}

// group is a command that only holds others. It refuses those that it doesn't
// have.
func group(use, short, example string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Example: example, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(commands...)
	return cmd
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
