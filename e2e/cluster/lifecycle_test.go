//go:build e2e

package cluster_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/e2e/cluster"
)

// holder is the variable that makes this test binary a process which starts a
// cluster in the directory that it names, and holds it.
const holder = "E2E_HOLD_CLUSTER_IN"

func TestMain(m *testing.M) {
	if dir := os.Getenv(holder); dir != "" {
		if _, err := cluster.Up(context.Background(), cluster.Options{Dir: dir, Progress: os.Stderr}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println("up")
		select {} // until it is killed
	}
	os.Exit(m.Run())
}

func TestDownLeavesNothing(t *testing.T) {
	before := machine(t)
	dir := t.TempDir()
	c := up(t, dir)
	inside := namespaces(t, c.Node())
	if len(inside.processes(t)) < 8 {
		t.Fatalf("of a cluster that runs only these were found: %v", inside.processes(t))
	}
	if len(before.more(t)) == 0 {
		t.Fatal("of a cluster that runs no control group was found")
	}
	if _, err := cluster.Up(t.Context(), cluster.Options{Dir: dir}); err == nil {
		t.Error("a second cluster started in the directory of the first")
	}
	down(t, c)
	leftNothing(t, before, inside)
	if left, err := filepath.Glob(filepath.Join(dir, "*.json")); err != nil || len(left) != 1 {
		t.Errorf("in the directory are %v (%v), want the configuration alone", left, err)
	}
}

// TestEndsWithItsParent: a test that panics, or is killed, ends its cluster.
func TestEndsWithItsParent(t *testing.T) {
	before := machine(t)
	dir := t.TempDir()
	parent := exec.CommandContext(t.Context(), os.Args[0])
	parent.Env, parent.Stderr = append(os.Environ(), holder+"="+dir), os.Stderr
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	if said, err := bufio.NewReader(out).ReadString('\n'); said != "up\n" {
		t.Fatalf("the parent said %q, %v", said, err)
	}
	c, err := cluster.Attach(dir)
	if err != nil {
		t.Fatal(err)
	}
	inside := namespaces(t, c.Node())
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // it was killed
	eventually(t, "the cluster's end", func() bool {
		_, err := cluster.Attach(dir)
		return err != nil && len(inside.processes(t)) == 0 && len(before.more(t)) == 0
	})
	leftNothing(t, before, inside)
}

// TestUpAfterKill kills the one process that clears up. The kernel ends the
// rest with it, and the next cluster in the same directory removes what only
// the supervisor would have.
func TestUpAfterKill(t *testing.T) {
	before := machine(t)
	dir := t.TempDir()
	c := up(t, dir)
	inside := namespaces(t, c.Node())
	if err := syscall.Kill(c.Supervisor(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of its processes", func() bool { return len(inside.processes(t)) == 0 })
	if len(before.more(t)) == 0 {
		t.Fatal("the control groups are gone: this test shows nothing")
	}
	if err := c.Down(t.Context()); err == nil {
		t.Error("Down says nothing about a cluster that was killed")
	}
	next := up(t, dir)
	insideNext := namespaces(t, next.Node())
	down(t, next)
	leftNothing(t, before, inside)
	leftNothing(t, before, insideNext)
}

func up(t *testing.T, dir string) *cluster.Cluster {
	t.Helper()
	began := time.Now()
	c, err := cluster.Up(t.Context(), cluster.Options{Dir: dir, Progress: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("up after %v", time.Since(began).Round(time.Millisecond))
	return c
}

func down(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	began := time.Now()
	if err := c.Down(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("down after %v", time.Since(began).Round(time.Millisecond))
}

func leftNothing(t *testing.T, before snapshot, inside inodes) {
	t.Helper()
	if left := inside.processes(t); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
	if left := before.more(t); len(left) > 0 {
		t.Errorf("control groups are left: %v", left)
	}
	if diff := cmp.Diff(before.is, machine(t).is); diff != "" {
		t.Errorf("the machine is not as it was (-before +after):\n%s", diff)
	}
}

func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) { return so(), nil })
	if err != nil {
		t.Fatalf("waiting for %s: %v", what, err)
	}
}
