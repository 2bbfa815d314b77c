//go:build !race

package main

import (
	"context"
	"syscall"
	"time"
)

// usage is the CPU time that this process and the executors that it waited
// for have used so far.
func usage() time.Duration {
	var total time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var r syscall.Rusage
		if err := syscall.Getrusage(who, &r); err == nil { // it fails for no such who
			total += time.Duration(r.Utime.Nano() + r.Stime.Nano())
		}
	}
	return total
}

// idleCPU is the share of one CPU that an instance uses that does nothing.
func idleCPU(ctx context.Context) (float64, error) {
	if err := rest(ctx, 2*time.Second); err != nil { // until what was measured before has settled
		return 0, err
	}
	began, before := time.Now(), usage()
	err := rest(ctx, 3*time.Second)
	return float64(usage()-before) / float64(time.Since(began)), err
}

func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
