//go:build linux && (amd64 || arm64)

package sandbox_test

import (
	"context"
	"os"
	"syscall"
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/sandbox"
	"github.com/sallyport/sallyport/sallyporttest"
)

func say(t *testing.T, r *sandbox.Runner) {
	t.Helper()
	permit := sallyporttest.AllowedPermit(t, intent("say", map[string]string{"text": `{"result":"hello"}`}), sallyport.Obligations{})
	if o, err := r.Run(t.Context(), permit); err != nil || string(o.Result) != `"hello"` {
		t.Errorf("Run = %+v, %v; want hello", o, err)
	}
}

// TestLauncherKilled kills the process that starts executors: runs that are
// under way are not its children and go on, and the next ones get another.
func TestLauncherKilled(t *testing.T) {
	r := newRunner(t, manifest(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	permit := sallyporttest.AllowedPermit(t, intent("hang", nil), sallyport.Obligations{})
	outcomes := make(chan sallyport.Outcome, 1)
	go func() {
		o, err := r.Run(ctx, permit)
		if err != nil {
			t.Errorf("Run: %v; want an outcome, for the tool began", err)
		}
		outcomes <- o
	}()
	await(t, "the tool runs", func() bool { return toolOf(os.Getpid()) != 0 })
	tool, launcher := toolOf(os.Getpid()), child(os.Getpid(), "launch")
	if err := syscall.Kill(launcher, syscall.SIGKILL); err != nil {
		t.Fatalf("there is no launcher (%d): %v", launcher, err)
	}
	await(t, "the launcher is gone", func() bool { return child(os.Getpid(), "launch") != launcher })
	say(t, r)
	if pid := toolOf(os.Getpid()); pid != tool {
		t.Errorf("the tool is process %d; want %d, which was running", pid, tool)
	}
	cancel()
	wantFailed(t, outcomes, "cancelled")
}

func TestLauncherEnds(t *testing.T) {
	r, err := sandbox.New(sandbox.Options{Executor: executor("executor"), Catalogue: catalogue{manifest().Name: manifest()}})
	if err != nil {
		t.Fatal(err)
	}
	if child(os.Getpid(), "launch") == 0 {
		t.Fatal("nothing starts executors")
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	await(t, "the launcher ends with its runner", func() bool { return child(os.Getpid(), "launch") == 0 })
}
