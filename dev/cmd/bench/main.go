//go:build !race

// Command bench measures what the gateway costs. It runs a development
// instance of its own, exactly as sallyport-dev does, and beside it, on the
// same Temporal server and with the same settings, a bare workflow that does
// nothing but one empty activity: the least that anything durable can cost.
// Both take turns, so that whatever else the machine does slows both.
//
// The executor, toolexec, must lie beside this program.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// options are what is measured, and how often.
type options struct {
	Runs   int           // of each contender, for latency
	Agents []int         // that call at once, for throughput
	Block  time.Duration // of calls of one contender, before the other's turn
	Rounds int           // of blocks
	// CallsAlone leaves the bare workflows out of the throughput.
	CallsAlone bool
	Profile    string // file for a CPU profile of the gateway's calls; empty makes none
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, help io.Writer) error {
	o, err := parse(args, help)
	if err != nil {
		return err
	}
	return withHarness(ctx, func(ctx context.Context, h *harness) error {
		if o.Profile != "" {
			return profile(ctx, h, o, out)
		}
		return measure(ctx, h, o, out)
	})
}

func parse(args []string, help io.Writer) (options, error) {
	o := options{Agents: []int{1, 8, 32}}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(help)
	f.IntVar(&o.Runs, "runs", 300, "latency: how often each contender runs")
	f.DurationVar(&o.Block, "block", 4*time.Second, "throughput: how long one contender runs before it is the other's turn")
	f.IntVar(&o.Rounds, "rounds", 3, "throughput: how many turns each contender has; 0 leaves it out")
	f.BoolVar(&o.CallsAlone, "calls-alone", false, "throughput: leave the bare workflows out")
	f.StringVar(&o.Profile, "cpuprofile", "", "only make calls, one at a time, and write a CPU profile to this `file`")
	f.Func("agents", "throughput: how many agents call at once, such as 1,8,32 (the default)", func(s string) error {
		o.Agents = nil
		for field := range strings.SplitSeq(s, ",") {
			n, err := strconv.Atoi(field)
			if err != nil || n < 1 {
				return fmt.Errorf("%q is no number of agents", field)
			}
			o.Agents = append(o.Agents, n)
		}
		return nil
	})
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.Runs < 1 || o.Rounds < 0 || o.Block <= 0 || f.NArg() > 0 {
		return o, errors.New("-runs and -block must be more than 0, -rounds not less, and there are no arguments")
	}
	return o, nil
}

// measure measures everything and prints it.
func measure(ctx context.Context, h *harness, o options, out io.Writer) error {
	all := h.contenders()
	if err := warmUp(ctx, h, all); err != nil {
		return err
	}
	idle, err := idleCPU(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "An idle instance uses %.0f ms of CPU a second.\n\n", 1000*idle)
	samples, err := takeTurns(ctx, h, all, o.Runs)
	if err != nil {
		return err
	}
	printLatency(out, all, samples)
	if err := printHistories(ctx, out, h, all, samples); err != nil {
		return err
	}
	if err := printTimeline(ctx, out, h, samples[0]); err != nil {
		return err
	}
	if o.Rounds == 0 {
		return nil
	}
	return printThroughput(ctx, out, h, all, o, idle)
}

// profile makes calls and nothing else.
func profile(ctx context.Context, h *harness, o options, out io.Writer) error {
	calls := h.contenders()[:1]
	if err := warmUp(ctx, h, calls); err != nil {
		return err
	}
	f, err := os.Create(o.Profile)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return errors.Join(err, f.Close())
	}
	before := usage()
	samples, err := takeTurns(ctx, h, calls, o.Runs)
	used := usage() - before
	pprof.StopCPUProfile()
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%d calls, %.1f ms of CPU each\n", len(samples[0]), milliseconds(used)/float64(len(samples[0])))
	return err
}
