//go:build !race

package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage is the CPU time that this process and those that it started have used
// so far, whether they have ended or not.
func usage() time.Duration {
	var total time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var r syscall.Rusage
		if err := syscall.Getrusage(who, &r); err == nil { // it fails for no such who
			total += time.Duration(r.Utime.Nano() + r.Stime.Nano())
		}
	}
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		pids, _ := os.ReadFile(list) // the thread may be gone
		for pid := range strings.FieldsSeq(string(pids)) {
			total += usageOf(pid)
		}
	}
	return total
}

// tick is the unit of /proc/<pid>/stat, on every Linux.
const tick = 10 * time.Millisecond

// usageOf is the CPU time of another process and of those that it waited for.
func usageOf(pid string) time.Duration {
	stat, _ := os.ReadFile("/proc/" + pid + "/stat") // it may have ended
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	const first, last = 11, 14 // utime, stime, cutime, cstime (proc_pid_stat(5), counted from the state)
	var total time.Duration
	for i := first; i <= last && i < len(fields); i++ {
		ticks, _ := strconv.Atoi(fields[i])
		total += time.Duration(ticks) * tick
	}
	return total
}

// idleCPU is the share of one CPU that an instance uses that does nothing.
func idleCPU(ctx context.Context) (float64, error) {
	if err := rest(ctx, 2*time.Second); err != nil { // until the work of the measurement before is done
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
