//go:build !race

package main

import (
	"io"
	"math"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPercentile(t *testing.T) {
	values := []float64{5, 1, 4, 2, 3}
	for p, want := range map[float64]float64{0: 1, 20: 1, 50: 3, 90: 5, 99: 5, 100: 5} {
		if got := percentile(values, p); got != want {
			t.Errorf("percentile(%v) = %v, want %v", p, got, want)
		}
	}
	if !slices.Equal(values, []float64{5, 1, 4, 2, 3}) {
		t.Errorf("the values are %v now", values)
	}
	if got := percentile(nil, 50); !math.IsNaN(got) {
		t.Errorf("percentile of nothing = %v", got)
	}
}

func TestParse(t *testing.T) {
	got, err := parse([]string{"-runs", "5", "-agents", "2,16", "-block", "1s", "-rounds", "0"}, io.Discard)
	want := options{Runs: 5, Agents: []int{2, 16}, Block: time.Second}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("parse: %v (-want +got)\n%s", err, diff)
	}
	for _, bad := range [][]string{{"-agents", "0"}, {"-agents", "1,,2"}, {"-runs", "0"}, {"-block", "0s"}, {"-rounds", "-1"}, {"more"}} {
		if o, err := parse(bad, io.Discard); err == nil {
			t.Errorf("parse(%q) = %+v", bad, o)
		}
	}
}

// TestUsage: what a process uses that still runs counts too, for there may be
// one that starts the others.
func TestUsage(t *testing.T) {
	spin := exec.CommandContext(t.Context(), "sh", "-c", "while :; do :; done")
	before := usage()
	if err := spin.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = spin.Wait() }()
	defer func() { _ = spin.Process.Signal(os.Kill) }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for usage()-before < 100*time.Millisecond {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%v after 20 s of another process' work", usage()-before)
		}
	}
}
