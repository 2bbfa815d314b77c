//go:build !race

package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
	"time"
)

// contender is one of the things that are measured side by side.
type contender struct {
	name string
	// once does it once, for one of several agents, and returns the id of its
	// workflow as soon as the result is there.
	once func(ctx context.Context, h *harness, agent int) (string, error)
}

// contenders are the call, and what it is held against.
func (h *harness) contenders() []contender {
	return []contender{
		{"call", func(ctx context.Context, h *harness, agent int) (string, error) { return h.call(ctx, agent) }},
		{"bare", h.bare.once},
		{"bare, eager start", h.eager.once},
	}
}

// sample is one run of one contender.
type sample struct {
	workflowID string
	sent       time.Time
	took       time.Duration // until the result was there
	closed     time.Duration // until the workflow had closed
}

const warmUps = 20

// warmUp lets caches fill and connections open.
func warmUp(ctx context.Context, h *harness, all []contender) error {
	_, err := takeTurns(ctx, h, all, warmUps)
	return err
}

// takeTurns lets the contenders run in turn, each time after the one before
// has come to an end.
func takeTurns(ctx context.Context, h *harness, all []contender, runs int) ([][]sample, error) {
	samples := make([][]sample, len(all))
	for range runs {
		for i, c := range all {
			s, err := take(ctx, h, c)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			samples[i] = append(samples[i], s)
		}
	}
	return samples, nil
}

func take(ctx context.Context, h *harness, c contender) (s sample, err error) {
	s.sent = time.Now()
	s.workflowID, err = c.once(ctx, h, 0)
	s.took = time.Since(s.sent)
	if err == nil {
		err = h.await(ctx, s.workflowID, nil)
	}
	s.closed = time.Since(s.sent)
	return s, err
}

func printLatency(out io.Writer, all []contender, samples [][]sample) {
	fmt.Fprintf(out, "Latency, %d runs of each, in turn; ms from request to result, and the ratio to the bare workflow:\n\n", len(samples[0]))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tp50\tp90\tp99\tmax\tclosed p50\tp50 ratio\tp99 ratio\tmedian of ratios\t")
	took := func(s sample) float64 { return milliseconds(s.took) }
	floor := each(samples[1], took)
	for i, c := range all {
		mine := each(samples[i], took)
		pairs := make([]float64, len(mine))
		for j := range mine {
			pairs[j] = mine[j] / floor[j]
		}
		fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t%.2f\t%.2f\t%.2f\t\n", c.name,
			percentile(mine, 50), percentile(mine, 90), percentile(mine, 99), percentile(mine, 100),
			percentile(each(samples[i], func(s sample) float64 { return milliseconds(s.closed) }), 50),
			percentile(mine, 50)/percentile(floor, 50), percentile(mine, 99)/percentile(floor, 99), percentile(pairs, 50))
	}
	_ = w.Flush() // to a terminal or a file
	fmt.Fprintln(out)
}

func each[S any](samples []S, f func(S) float64) []float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = f(s)
	}
	return values
}

// percentile is the nearest-rank percentile.
func percentile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
