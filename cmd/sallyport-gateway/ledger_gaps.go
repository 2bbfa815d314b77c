package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/cmd/internal/cli"
	"github.com/sallyport/sallyport/gateway"
)

func gapsCommand() *cobra.Command {
	var database databaseFlags
	var config string
	var grace time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "gaps",
		Short: "List calls that have no end, and workflows that have no leaves",
		Long: `List calls that the ledger records incompletely: calls that started and have no
outcome, calls that never started and have no end, and, with the gateway's
configuration, workflows at the Temporal server that have no leaf, calls that
have no workflow, and workflows of other types that have the id of a call's. Calls
that wait for people until their ballot closes are no gaps.

The server forgets workflows that ended longer ago than its namespace's retention:
ask more often than that.

The exit code is 0 where there is none, 1 where there is one, and 2 where the ledger
or the Temporal server can't be read.`,
		Example: `  sallyport-gateway ledger gaps
  sallyport-gateway ledger gaps --config /etc/sallyport/worker.yaml --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o := gateway.GapOptions{Grace: grace, Now: time.Now()}
			if config != "" {
				c, err := gateway.Load(config)
				if err != nil {
					return err
				}
				o.Temporal = &c.Temporal
				if f := cmd.Flags(); !f.Changed("ledger") && !f.Changed("dsn-file") {
					database = databaseFlags{path: c.Ledger.Path, dsnFile: c.Ledger.DSNFile}
				}
			}
			var err error
			if o.Database, err = database.database(); err != nil {
				return err
			}
			gaps, err := gateway.Gaps(cmd.Context(), o)
			if err != nil {
				return err
			}
			return showGaps(cmd.OutOrStdout(), gaps, o.Temporal != nil, asJSON)
		},
	}
	f := cmd.Flags()
	database.flags(f)
	f.StringVarP(&config, "config", "c", "", "configuration `file` of the gateway: where the ledger and the Temporal server are")
	f.DurationVar(&grace, "grace", time.Hour, "how long a call that is at work may leave no leaf")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return cli.Looks(cmd)
}

func showGaps(w io.Writer, gaps []gateway.Gap, asked, asJSON bool) (err error) {
	switch {
	case asJSON:
		err = json.NewEncoder(w).Encode(append([]gateway.Gap{}, gaps...))
	case len(gaps) == 0 && asked:
		_, err = fmt.Fprintln(w, "every call has an end or is at work, and every workflow has leaves")
	case len(gaps) == 0:
		_, err = fmt.Fprintln(w, "every call has an end or may be at work; workflows were not checked: give --config")
	}
	for _, g := range gaps {
		if asJSON {
			break
		}
		since := ""
		if g.Since != nil {
			since = ", last heard of at " + g.Since.Format(time.RFC3339) + fmt.Sprintf(" (%s, by %s)", g.Tool, g.Agent)
		}
		fmt.Fprintf(w, "%s %s%s: %s\n", g.Kind, g.ID, since, g.Detail)
	}
	if err == nil && len(gaps) > 0 {
		err = cli.ExitCode(1)
	}
	return err
}
