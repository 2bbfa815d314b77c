package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/adapters/opa"
	"github.com/sallyport/sallyport/cmd/internal/cli"
)

func policyCommand() *cobra.Command {
	return cli.Group("policy", "Work with policies", "  sallyport-gateway policy test ./policies", &cobra.Command{
		Use:   "test DIRECTORY",
		Short: "Load a policy as the gateway would, and run its tests",
		Long: `Load a directory of Rego and data exactly as the gateway would, with the same
restrictions, and run the tests in it. A policy that fails here never goes live.

The exit code is 0 when all tests pass, and 1 when one fails or the policy can't
be loaded.`,
		Example: `  sallyport-gateway policy test ./policies`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			report, err := opa.Test(cmd.Context(), os.DirFS(args[0]))
			if err != nil {
				return fmt.Errorf("the policy in %s: %w", args[0], err)
			}
			if _, err := fmt.Fprint(cmd.OutOrStdout(), report); err != nil {
				return err
			}
			if !report.OK(0) {
				return cli.ExitCode(1)
			}
			return nil
		},
	})
}
