package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/opa"
)

func policyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "Work with policies", Args: cobra.NoArgs}
	cmd.AddCommand(&cobra.Command{
		Use:   "test DIRECTORY",
		Short: "Load a policy as the gateway would, and run its tests",
		Long: `Load a directory of Rego and data exactly as the gateway would, with the same
restrictions, and run the tests in it. A policy that fails here never goes live.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			report, err := opa.Test(cmd.Context(), os.DirFS(args[0]))
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			for _, f := range report.Failures {
				fmt.Fprintf(out, "%s: %s failed\n%s\n", f.Location, f.Name, f.Detail)
			}
			for _, l := range report.Uncovered {
				fmt.Fprintf(out, "%s: no test reaches this\n", l)
			}
			fmt.Fprintf(out, "%d passed, %d failed, %.1f %% of the rules covered\n", report.Passed, len(report.Failures), report.Coverage)
			if len(report.Failures) > 0 {
				return exitCode(1)
			}
			return nil
		},
	})
	return cmd
}
