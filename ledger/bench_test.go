package ledger_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sallyporttest"
)

// BenchmarkAppend records the stories of calls one entry after the other.
func BenchmarkAppend(b *testing.B) {
	l := newPlace(b).open(b)
	var took []time.Duration
	entries := sallyporttest.Approved(0)
	for n := 0; b.Loop(); n++ {
		if n%len(entries) == 0 {
			b.StopTimer()
			entries = sallyporttest.Approved(n)
			b.StartTimer()
		}
		began := time.Now()
		if _, err := l.Record(context.Background(), entries[n%len(entries)]); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

// BenchmarkAppendTogether lets 64 callers share transactions.
func BenchmarkAppendTogether(b *testing.B) {
	l := newPlace(b).open(b)
	var calls atomic.Int64
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			e := sallyporttest.Approved(int(calls.Add(1)))[0]
			if _, err := l.Record(context.Background(), e); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
