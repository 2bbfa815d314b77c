package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/e2e/platform"
)

// quantile of durations, which it sorts.
func quantile(d []time.Duration, q float64) time.Duration {
	slices.Sort(d)
	return d[min(len(d)-1, int(q*float64(len(d))))]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// report prints the comparison, and what the worker's own log says of the parts
// of calls.
func (b *bench) report(ctx context.Context, w io.Writer, bare, token, calls []time.Duration, limit float64) error {
	ratio := func(to []time.Duration) float64 {
		return ms(quantile(slices.Clone(calls), 0.5)) / ms(quantile(slices.Clone(to), 0.5))
	}
	toBare, toToken := ratio(bare), ratio(token)
	_, _ = fmt.Fprintf(w, "%d of each, in turn; ms\n\n", len(calls))
	_, _ = fmt.Fprintf(w, "%-44s %8s %8s\n", "", "p50", "p90")
	row := func(what string, d []time.Duration) {
		if len(d) > 0 {
			_, _ = fmt.Fprintf(w, "%-44s %8.0f %8.0f\n", what, ms(quantile(d, 0.5)), ms(quantile(d, 0.9)))
		}
	}
	// The parts are matched with calls in the order of time.
	row("bare Job: create to the end of its process", slices.Clone(bare))
	row("the same with its account's token", slices.Clone(token))
	row("call: POST to its result", slices.Clone(calls))
	_, _ = fmt.Fprintf(w, "%-44s %8.2f\n", "call to bare Job, medians", toBare)
	_, _ = fmt.Fprintf(w, "%-44s %8.2f\n\n", "call to bare Job with a token, medians", toToken)
	log := b.platform.Log(ctx, platform.Namespace, "app.kubernetes.io/component=worker")
	lent, awaited, revoked := b.part(log, "took"), b.part(log, "awaited"), b.part(log, "revoked")
	rest := make([]time.Duration, 0, len(calls))
	if len(lent) == len(calls) && len(awaited) == len(calls) && len(revoked) == len(calls) {
		for i := range calls {
			rest = append(rest, calls[i]-lent[i]-awaited[i]-revoked[i])
		}
	}
	_, _ = fmt.Fprintln(w, "of a call:")
	row("  account, role, network policy, then the Job", lent)
	row("  from there to its outcome", awaited)
	row("  taking back", revoked)
	row("  all else: API, Temporal, policy, ledger", rest)
	if limit > 0 && toToken > limit {
		return fmt.Errorf("a call takes %.2f times as long as a Job with a token, and may take %.2f times", toToken, limit)
	}
	return nil
}

// part finds a duration in the worker's log, of each call but the first, in
// the order in which they were made.
func (b *bench) part(log, key string) []time.Duration {
	var all []time.Duration
	found := regexp.MustCompile(key + `=(\S+)`)
	for _, id := range b.ids[1:] {
		for line := range strings.Lines(log) {
			if !strings.Contains(line, "job=agent-tool-call-"+id) {
				continue
			}
			if m := found.FindStringSubmatch(line); m != nil {
				if d, err := time.ParseDuration(m[1]); err == nil {
					all = append(all, d)
				}
			}
		}
	}
	return all
}
