// Command sallyport is the client of the gateway, for agents, approvers,
// operators and auditors: it makes calls, looks at them, votes on them, freezes, and
// verifies proofs. Servers and the commands that open a database or policies are in
// sallyport-gateway.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/cmd/internal/cli"
)

func main() { os.Exit(cli.Run(command(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "sallyport",
		Short: "The client of the gateway that every tool call of an AI agent must pass",
		Long: `Sallyport stands between AI agents and infrastructure. Every tool call of an
agent is one durable workflow: validated, evaluated by policy, approved by people
where policy says so, run in a throw-away place with credentials made for that
call alone, and recorded in a tamper-evident log.

Agents, approvers, operators and auditors use these commands, or the REST API
behind them. Operators run the gateway itself with ` + "`sallyport-gateway`" + `.`,
		Example: `  sallyport call gitops_get_manifest --as deploy-bot --arg environment=staging --arg name=api
  sallyport approve CALL --as bob`,
	}
	root.AddCommand(
		callCommand(), decideCommand(), toolsCommand(), getCommand(), listCommand(), cancelCommand(),
		approveCommand(), ballotsCommand(), freezeCommand(),
		searchCommand(), proveCommand(), verifyCommand(),
		loginCommand(), logoutCommand(), versionCommand(), tokenCommand(), exitCodesTopic(),
	)
	root.AddCommand(movedCommands()...)
	return root
}
