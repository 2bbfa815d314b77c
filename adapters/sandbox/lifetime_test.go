//go:build linux && (amd64 || arm64)

package sandbox_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/sandbox"
	"github.com/sallyport/sallyport/sallyporttest"
)

// hold is a gateway whose tool hangs, until the test kills it. It prints a line
// after New has tested its runner: from then on its only executor is that tool.
func hold() {
	m := manifest()
	m.Limits.Timeout = 10 * time.Minute
	r, err := sandbox.New(sandbox.Options{Executor: executor("executor"), Catalogue: catalogue{m.Name: m}})
	if err == nil {
		_, _ = fmt.Fprintln(os.Stdout, "ready")
		_, err = r.Plan(context.Background(), intent("hang", nil))
	}
	fmt.Fprintln(os.Stderr, "the tool ended before its gateway:", err)
	os.Exit(1)
}

// await waits until a condition holds, and fails the test if it doesn't.
func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}

// toolOf finds the tool that a gateway runs: the child that has confined
// itself. It returns 0 while there is none.
func toolOf(gateway int) int { return child(gateway, "run") }

// child finds a child that is the executor with this argument, or 0.
func child(gateway int, argument string) int {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", gateway))
	for _, list := range lists {
		children, _ := os.ReadFile(list)
		for pid := range strings.FieldsSeq(string(children)) {
			command, _ := os.ReadFile("/proc/" + pid + "/cmdline")
			if bytes.Equal(command, []byte("toolexec\x00"+argument+"\x00")) {
				n, _ := strconv.Atoi(pid)
				return n
			}
		}
	}
	return 0
}

func TestGatewayKilled(t *testing.T) {
	gateway := exec.CommandContext(t.Context(), self(t))
	gateway.Env = append(os.Environ(), envHold+"=1")
	gateway.Stderr = os.Stderr
	stdout, err := gateway.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := gateway.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = gateway.Process.Kill() })
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("the gateway said %q, %v; want it ready", line, err)
	}
	await(t, "the tool runs", func() bool { return toolOf(gateway.Process.Pid) != 0 })
	var watched []unix.PollFd
	for _, argument := range []string{"run", "launch"} {
		fd, err := unix.PidfdOpen(child(gateway.Process.Pid, argument), 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		defer func() { _ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) }() // where the test fails
		watched = append(watched, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}

	if err := gateway.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = gateway.Wait()
	await(t, "the tool and what starts tools die with their gateway", func() bool {
		n, err := unix.Poll(watched, 100)
		return err == nil && n == len(watched)
	})
}

// running starts a run that hangs, and waits until the tool runs.
func running(ctx context.Context, t *testing.T) (pid int, outcome <-chan sallyport.Outcome) {
	t.Helper()
	r := newRunner(t, manifest(), nil)
	permit := sallyporttest.AllowedPermit(t, intent("hang", nil), sallyport.Obligations{})
	outcomes := make(chan sallyport.Outcome, 1)
	go func() {
		o, err := r.Run(ctx, permit)
		if err != nil {
			t.Errorf("Run: %v; want an outcome, for the tool began", err)
		}
		outcomes <- o
	}()
	await(t, "the tool runs", func() bool { pid = toolOf(os.Getpid()); return pid != 0 })
	return pid, outcomes
}

func wantFailed(t *testing.T, outcome <-chan sallyport.Outcome, code string) {
	t.Helper()
	if o := <-outcome; o.State != sallyport.StateFailed || o.Error == nil || o.Error.Code != code {
		t.Errorf("outcome %+v (%+v); want it failed as %s", o, o.Error, code)
	}
	if pid := toolOf(os.Getpid()); pid != 0 {
		t.Errorf("process %d was left running", pid)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, outcome := running(ctx, t)
	cancel()
	wantFailed(t, outcome, "cancelled")
}

func TestKilled(t *testing.T) {
	pid, outcome := running(t.Context(), t)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	wantFailed(t, outcome, "killed")
}

func TestConcurrent(t *testing.T) {
	r := newRunner(t, manifest(), nil)
	before := openFiles(t)
	var wg sync.WaitGroup
	for n := range 16 {
		wg.Go(func() {
			text := fmt.Sprintf(`{"result":"call %d"}`, n)
			o, err := r.Run(t.Context(), sallyporttest.AllowedPermit(t, intent("say", map[string]string{"text": text}), sallyport.Obligations{}))
			if want := fmt.Sprintf(`"call %d"`, n); err != nil || string(o.Result) != want {
				t.Errorf("Run = %+v, %v; want %s", o, err, want)
			}
		})
	}
	wg.Wait()
	if pid := toolOf(os.Getpid()); pid != 0 {
		t.Errorf("process %d was left running", pid)
	}
	if after := openFiles(t); after > before {
		t.Errorf("%d files are open, %d were before", after, before)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
