// Command sallyport-gateway is the gateway: it serves the API, runs the worker,
// and has the commands that open the ledger's database, the policies or the tools.
// Agents, approvers and auditors use sallyport.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/cmd/internal/cli"
)

func main() { os.Exit(cli.Run(command(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "sallyport-gateway COMMAND",
		Short: "The gateway that every tool call of an AI agent must pass",
		Long: `Sallyport stands between AI agents and infrastructure. Every tool call of an
agent is one durable workflow: validated, evaluated by policy, approved by people
where policy says so, run in a throw-away place with credentials made for that
call alone, and recorded in a tamper-evident log.

Operators run ` + "`sallyport-gateway api`" + ` and ` + "`sallyport-gateway worker`" + `, each with the
part of the configuration and of the keys that it needs. The other commands open the
ledger's database, policies or tools where these are. To make calls, vote, freeze or
verify a proof, use ` + "`sallyport`" + `, which needs none of them.`,
		Example: `  sallyport-gateway api --config /etc/sallyport/api.yaml
  sallyport-gateway worker --config /etc/sallyport/worker.yaml`,
	}
	root.AddCommand(apiCommand(), workerCommand(), ledgerCommand(), policyCommand(), toolsCommand())
	return root
}
