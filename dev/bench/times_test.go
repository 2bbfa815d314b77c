package bench_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// times are what many of the same thing took.
type times struct {
	took  []time.Duration
	total time.Duration // by the clock on the wall
}

// add has writers do it n times together.
func (t *times) add(b *testing.B, writers, n int, do func(writer int) error) {
	b.Helper()
	took := make([]time.Duration, n)
	var taken atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for writer := range writers {
		wg.Go(func() {
			for i := taken.Add(1) - 1; i < int64(n); i = taken.Add(1) - 1 {
				at := time.Now()
				if err := do(writer); err != nil {
					b.Error(err)
					return
				}
				took[i] = time.Since(at)
			}
		})
	}
	wg.Wait()
	t.total += time.Since(began)
	t.took = append(t.took, took...)
}

// quantile is what so many of a hundred stayed below.
func (t *times) quantile(percent int) time.Duration {
	slices.Sort(t.took)
	return t.took[min(len(t.took)*percent/100, len(t.took)-1)]
}

func (t *times) rate() float64 { return float64(len(t.took)) / t.total.Seconds() }

func (t *times) report(b *testing.B, prefix string) {
	b.Helper()
	b.ReportMetric(float64(t.quantile(50).Microseconds()), prefix+"p50-µs")
	b.ReportMetric(float64(t.quantile(99).Microseconds()), prefix+"p99-µs")
	b.ReportMetric(t.rate(), prefix+"per-s")
}
