package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
)

// filter is what the flags of list and search ask for.
type filter struct {
	query         sallyport.Query
	states        string
	since, before string
}

func (f *filter) flags(flags *pflag.FlagSet) {
	flags.StringVar(&f.states, "state", "", "`states` of calls, with commas between, such as running,failed")
	flags.StringVar(&f.query.Agent, "agent", "", "`id` of the agent")
	flags.StringVar(&f.query.Tool, "tool", "", "`name` of the tool")
	flags.StringVar(&f.since, "since", "", "`time` at which calls were received at the earliest, such as 2h (ago) or 2026-11-21T22:00:00Z")
	flags.StringVar(&f.query.Cursor, "cursor", "", "`cursor` of the page before, to see the next one")
}

// read makes a query of the flags.
func (f *filter) read(now time.Time) (q sallyport.Query, err error) {
	q = f.query
	for state := range strings.SplitSeq(f.states, ",") {
		if state != "" {
			q.States = append(q.States, sallyport.State(state))
		}
	}
	if q.Since, err = moment("since", f.since, now); err != nil {
		return q, err
	}
	q.Before, err = moment("before", f.before, now)
	return q, err
}

// moment reads a time, or how long ago it was.
func moment(flag, value string, now time.Time) (time.Time, error) {
	if value == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(value); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	at, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return at, fmt.Errorf("--%s %q is no time: want how long ago, such as 2h, or a time such as 2026-11-21T22:00:00Z", flag, value)
	}
	return at, nil
}

func listCommand() *cobra.Command {
	var r reader
	var f filter
	var watch bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List calls, the newest first",
		Long: `List calls, the newest first: all of them for operators and auditors, its own
for an agent. A page has 50; a note on standard error says how to see the next.

With --watch the command stays and prints a call when it comes in and whenever
its state changes, until Ctrl-C. It looks at the newest page of the calls that
the filters select, every two seconds.`,
		Example: `  sallyport list --state awaiting_approval,running --as olga
  sallyport list --agent deploy-bot --since 2h --watch
  sallyport list -o json --as deploy-bot`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := f.read(time.Now())
			if err != nil {
				return err
			}
			api, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			if watch {
				w := watcher{list: api.Calls, query: q, output: r.output, out: cmd.OutOrStdout(), notes: cmd.ErrOrStderr(), pause: watchPause}
				return w.run(cmd.Context())
			}
			page, err := api.Calls(cmd.Context(), q)
			if err != nil {
				return err
			}
			return r.showPage(cmd, page)
		},
	}
	f.flags(cmd.Flags())
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "print calls as they come in and change, until Ctrl-C")
	r.flags(cmd)
	return cmd
}

func searchCommand() *cobra.Command {
	var r reader
	var f filter
	cmd := &cobra.Command{
		Use:   "search",
		Short: "Search the ledger by what calls were about",
		Long: `Find calls by agent, tool, state, target, person, digest, trace and time, the
newest first. For operators and auditors. A call has to match all flags. Calls
whose contents were erased are not found.`,
		Example: `  sallyport search --namespace production --name api --since 168h --as audra
  sallyport search --person bob --as audra
  sallyport search --digest sha256:356c0d905c46bd14eba9c50eb48af36019ea5b30640030743ed5cc5a6f41ffc1 --as audra`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := f.read(time.Now())
			if err != nil {
				return err
			}
			api, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			page, err := api.Search(cmd.Context(), q)
			if err != nil {
				return err
			}
			return r.showPage(cmd, page)
		},
	}
	flags := cmd.Flags()
	f.flags(flags)
	flags.StringVar(&f.query.Namespace, "namespace", "", "`namespace` of the target, or environment")
	flags.StringVar(&f.query.Name, "name", "", "`name` of the target")
	flags.StringVar(&f.query.Person, "person", "", "`id` of a person who voted or stopped the call")
	flags.StringVar((*string)(&f.query.Digest), "digest", "", "`digest` of the intent, the plan, the ballot, the manifest or the image")
	flags.StringVar(&f.query.TraceID, "trace-id", "", "`id` of the trace that the call is part of")
	flags.StringVar(&f.before, "before", "", "`time` before which calls were received, in the forms of --since")
	limitFlag(flags, &f.query.Limit)
	r.flags(cmd)
	return cmd
}

func limitFlag(f *pflag.FlagSet, limit *int) {
	f.IntVar(limit, "limit", 0, "`number` of calls at most, up to 500 (default 50)")
}

// showPage shows a page of calls, and how to see the next one.
func (r *reader) showPage(cmd *cobra.Command, page client.Calls) error {
	err := r.print(cmd.OutOrStdout(), page, func(w io.Writer) error {
		if len(page.Calls) == 0 {
			_, err := fmt.Fprintln(w, "no calls")
			return err
		}
		all := make([][]string, 0, len(page.Calls))
		for _, c := range page.Calls {
			all = append(all, []string{c.ID, string(c.State), c.Agent, c.Tool, target(c), c.CreatedAt.UTC().Format(time.RFC3339), code(c)})
		}
		return rows(w, []string{"CALL", "STATE", "AGENT", "TOOL", "TARGET", "ASKED", "ERROR"}, all)
	})
	if err == nil {
		noteMore(cmd, page.Cursor)
	}
	return err
}

// noteMore says how to see the page after this one.
func noteMore(cmd *cobra.Command, cursor *string) {
	if cursor != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "there are more: add --cursor %s\n", cell(*cursor))
	}
}

func target(c client.Call) string {
	if c.Intent == nil {
		return ""
	}
	return c.Intent.Namespace + "/" + c.Intent.Name
}

func code(c client.Call) string {
	if c.Error == nil {
		return ""
	}
	return c.Error.Code
}

const (
	watchPause    = 2 * time.Second
	watchFailures = 5 // in a row, before the command gives up
)

// watcher prints the calls of the newest page as they change.
type watcher struct {
	list   func(context.Context, sallyport.Query) (client.Calls, error)
	query  sallyport.Query
	output output
	out    io.Writer
	notes  io.Writer
	pause  time.Duration
}

func (w *watcher) run(ctx context.Context) error {
	failures := 0
	var shown map[string]sallyport.State
	for ctx.Err() == nil {
		page, err := w.list(ctx, w.query)
		switch {
		case ctx.Err() != nil:
		case err != nil && (!passing(err) || failures == watchFailures):
			return err
		case err != nil:
			failures++
			fmt.Fprintf(w.notes, "looking again: %v\n", err)
		default:
			failures = 0
			if shown, err = w.show(page, shown); err != nil {
				return err
			}
		}
		rest(ctx, w.pause*time.Duration(1+failures))
	}
	return nil // Ctrl-C is how it ends
}

// passing reports whether an error may be gone the next time.
func passing(err error) bool {
	p, ok := errors.AsType[*client.Problem](err)
	return !ok || p.Status == http.StatusTooManyRequests || p.Status >= http.StatusInternalServerError
}

// show prints what is new on a page, the oldest first, and returns what is on it.
func (w *watcher) show(page client.Calls, shown map[string]sallyport.State) (map[string]sallyport.State, error) {
	now := make(map[string]sallyport.State, len(page.Calls))
	fresh := 0
	for _, c := range slices.Backward(page.Calls) {
		now[c.ID] = c.State
		state, before := shown[c.ID]
		if !before {
			fresh++
		}
		if before && state == c.State {
			continue
		}
		if err := w.output.print(w.out, c, func(out io.Writer) error { return watchLine(out, c) }); err != nil {
			return nil, err
		}
	}
	if shown != nil && fresh > 0 && fresh == len(page.Calls) && page.Cursor != nil {
		fmt.Fprintln(w.notes, "more calls came in than one page has: sallyport list shows all")
	}
	return now, nil
}

func watchLine(w io.Writer, c client.Call) error {
	_, err := fmt.Fprintf(w, "%s  %s  %-17s  %s  %s  %s\n", time.Now().UTC().Format(time.TimeOnly), c.ID, cell(string(c.State)), cell(c.Agent), cell(c.Tool),
		cell(strings.TrimSpace(target(c)+" "+code(c))))
	return err
}
