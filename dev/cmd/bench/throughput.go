//go:build !race

package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"
)

// block is what one contender did in one turn.
type block struct {
	perSecond float64
	cpu       float64 // ms of CPU for one run, without what an idle instance uses
	p99       float64 // ms from the first try of a run to its result
	refused   float64 // tries per run that the gateway refused
	refusal   float64 // ms until it had refused one, p99; NaN if it refused none
}

// pause is how long the instance gets between two turns to finish what the
// first left behind.
const pause = 700 * time.Millisecond

func printThroughput(ctx context.Context, out io.Writer, h *harness, all []contender, o options, idle float64) error {
	fmt.Fprintf(out, "Throughput, medians of %d turns of %s each, and the ratio to the bare workflow:\n\n", o.Rounds, o.Block)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "agents\t\truns/s\tratio\tCPU ms/run\tratio\tp99 ms\trefused/run\tp99 ms\t")
	if o.CallsAlone {
		all = all[:1]
	}
	floor := len(all) / 2 // the bare workflow
	turns := make([][][]block, len(o.Agents))
	for n := range turns {
		turns[n] = make([][]block, len(all))
	}
	for range o.Rounds {
		for n, agents := range o.Agents {
			for i, c := range all {
				b, err := work(ctx, h, c, agents, o.Block, idle)
				if err != nil {
					return fmt.Errorf("%s, %d agents: %w", c.name, agents, err)
				}
				turns[n][i] = append(turns[n][i], b)
			}
		}
	}
	for n, agents := range o.Agents {
		blocks := turns[n]
		median := func(i int, of func(block) float64) float64 { return percentile(each(blocks[i], of), 50) }
		speed := func(i int) float64 { return median(i, func(b block) float64 { return b.perSecond }) }
		cpu := func(i int) float64 { return median(i, func(b block) float64 { return b.cpu }) }
		for i, c := range all {
			fmt.Fprintf(w, "%d\t%s\t%.1f\t%.2f\t%.1f\t%.2f\t%.0f\t%.2f\t%.0f\t\n", agents, c.name,
				speed(i), speed(i)/speed(floor), cpu(i), cpu(i)/cpu(floor), median(i, func(b block) float64 { return b.p99 }),
				median(i, func(b block) float64 { return b.refused }), median(i, func(b block) float64 { return b.refusal }))
		}
	}
	return w.Flush()
}

// work lets agents run one contender again and again, and waits until nothing
// of that is left to do.
func work(ctx context.Context, h *harness, c contender, agents int, d time.Duration, idle float64) (block, error) {
	var mu sync.Mutex
	var ids []string
	var took times
	h.refused.take()
	began, before := time.Now(), usage()
	group, working := errgroup.WithContext(ctx)
	for agent := range agents {
		group.Go(func() error {
			for time.Since(began) < d {
				first := time.Now()
				id, err := c.once(working, h, agent)
				if err != nil {
					return err
				}
				took.add(time.Since(first))
				mu.Lock()
				ids = append(ids, id)
				mu.Unlock()
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return block{}, err
	}
	all, refused := time.Since(began), h.refused.take()
	for _, id := range ids[max(0, len(ids)-agents):] {
		if err := h.await(ctx, id, nil); err != nil {
			return block{}, err
		}
	}
	if err := rest(ctx, pause); err != nil {
		return block{}, err
	}
	used := milliseconds(usage()-before) - idle*milliseconds(time.Since(began))
	runs := float64(len(ids))
	return block{
		perSecond: runs / all.Seconds(), cpu: used / runs, p99: percentile(each(took.take(), milliseconds), 99),
		refused: float64(len(refused)) / runs, refusal: percentile(each(refused, milliseconds), 99),
	}, nil
}
