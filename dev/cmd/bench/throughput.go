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
}

// pause is how long the instance gets between two turns to finish what the
// first left behind.
const pause = 700 * time.Millisecond

func printThroughput(ctx context.Context, out io.Writer, h *harness, all []contender, o options, idle float64) error {
	fmt.Fprintf(out, "Throughput, medians of %d turns of %s each, and the ratio to the bare workflow:\n\n", o.Rounds, o.Block)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "agents\t\truns/s\tratio\tCPU ms/run\tratio\t")
	for _, agents := range o.Agents {
		blocks := make([][]block, len(all))
		for range o.Rounds {
			for i, c := range all {
				b, err := work(ctx, h, c, agents, o.Block, idle)
				if err != nil {
					return fmt.Errorf("%s, %d agents: %w", c.name, agents, err)
				}
				blocks[i] = append(blocks[i], b)
			}
		}
		speed := func(i int) float64 {
			return percentile(each(blocks[i], func(b block) float64 { return b.perSecond }), 50)
		}
		cpu := func(i int) float64 { return percentile(each(blocks[i], func(b block) float64 { return b.cpu }), 50) }
		for i, c := range all {
			fmt.Fprintf(w, "%d\t%s\t%.1f\t%.2f\t%.1f\t%.2f\t\n", agents, c.name, speed(i), speed(i)/speed(1), cpu(i), cpu(i)/cpu(1))
		}
	}
	return w.Flush()
}

// work lets agents run one contender again and again, and waits until nothing
// of that is left to do.
func work(ctx context.Context, h *harness, c contender, agents int, d time.Duration, idle float64) (block, error) {
	var mu sync.Mutex
	var ids []string
	began, before := time.Now(), usage()
	group, working := errgroup.WithContext(ctx)
	for agent := range agents {
		group.Go(func() error {
			for time.Since(began) < d {
				id, err := c.once(working, h, agent)
				if err != nil {
					return err
				}
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
	took := time.Since(began)
	for _, id := range ids[max(0, len(ids)-agents):] {
		if err := h.await(ctx, id, nil); err != nil {
			return block{}, err
		}
	}
	if err := rest(ctx, pause); err != nil {
		return block{}, err
	}
	used := milliseconds(usage()-before) - idle*milliseconds(time.Since(began))
	return block{perSecond: float64(len(ids)) / took.Seconds(), cpu: used / float64(len(ids))}, nil
}
