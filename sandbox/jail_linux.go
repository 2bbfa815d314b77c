//go:build amd64 || arm64

package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/sandbox/confine"
)

// stderrBytes is how much of what a tool writes to standard error is kept.
const stderrBytes = 16 << 10

// jail starts executors in sandboxes.
type jail struct {
	binary  *os.File // the executor, sealed
	ids     ids
	cgroups *cgroups // nil where there are none
}

func newJail(executor string, cgroupDirs []string) (*jail, error) {
	mapped, err := hostIDs(os.Geteuid(), os.Getegid(), os.ReadFile)
	if err != nil {
		return nil, unavailable(err)
	}
	groups, err := newCgroups(cgroupDirs)
	if err != nil {
		return nil, err
	}
	binary, err := seal(executor)
	if err != nil {
		return nil, err
	}
	return &jail{binary: binary, ids: mapped, cgroups: groups}, nil
}

func (j *jail) close() error { return j.binary.Close() }

// run runs one executor to its end: when it returns, nothing of it is left.
// An error means that the executor never became the tool.
func (j *jail) run(ctx context.Context, w job) (ending, error) {
	// The kernel kills the executor when the thread that started it ends. Go
	// must therefore neither end this thread nor give it to someone else.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	stoppable, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	limited, release := context.WithTimeoutCause(stoppable, w.timeout, errTimeout)
	defer release()

	p, err := j.start(limited, w, func() { stop(errOutput) })
	if err != nil {
		return ending{}, err
	}
	defer p.group.remove()
	served := make(chan struct{})
	go func() {
		defer close(served)
		w.broker(limited, p.broker)
	}()
	refused := p.begin(w.spec)
	if refused != nil {
		// It can't have become the tool, whatever else it does.
		_ = p.command.Cancel()
	}
	waited := p.command.Wait()
	// Requests to the broker end with the process.
	stopped := context.Cause(limited)
	stop(nil)
	_ = p.broker.Close()
	<-served
	switch {
	case refused != nil && stopped != nil:
		return ending{}, sallyport.Errorf(sallyport.Unavailable, codeCancelled, "the run was stopped before it began: %w", stopped)
	case refused != nil:
		return ending{}, unavailable(refused)
	}
	return p.ending(ctx, stopped, waited), nil
}

// process is an executor that was started.
type process struct {
	command *exec.Cmd
	broker  net.Conn
	control *net.UnixConn
	stdout  *capture
	stderr  *capture
	group   *cgroup
}

// start starts an executor that waits for its specification.
func (j *jail) start(ctx context.Context, w job, overflow func()) (_ *process, err error) {
	var ends endpoints
	defer ends.closeChildren()
	p := &process{
		stdout: &capture{limit: w.outputBytes, overflow: overflow},
		stderr: &capture{limit: stderrBytes},
	}
	defer func() {
		if err != nil {
			ends.closeParents()
			p.group.remove()
		}
	}()
	if p.broker, err = ends.pair("broker"); err != nil {
		return nil, err
	}
	if p.control, err = ends.pair("control"); err != nil {
		return nil, err
	}
	if p.group, err = j.cgroups.create(w.spec); err != nil {
		return nil, err
	}
	p.command = exec.CommandContext(ctx, fmt.Sprintf("/proc/self/fd/%d", confine.BinaryFD)) //nolint:gosec // our own, sealed
	p.command.Args = []string{"toolexec", confine.ArgConfine}
	p.command.Env = []string{"GOMAXPROCS=1", "GOGC=off"} // nothing of ours, and a short life before it is the tool
	p.command.Dir = "/"
	p.command.Stdin = bytes.NewReader(w.request)
	p.command.Stdout, p.command.Stderr = p.stdout, p.stderr
	p.command.ExtraFiles = []*os.File{ends.children[0], ends.children[1], j.binary}
	p.command.SysProcAttr = j.ids.attributes()
	p.command.WaitDelay = 2 * time.Second
	if err := p.command.Start(); err != nil {
		if ctx.Err() != nil {
			return nil, sallyport.Errorf(sallyport.Unavailable, codeCancelled, "the run was stopped before it began: %w", err)
		}
		return nil, unavailable(err)
	}
	return p, nil
}

// begin lets the executor confine itself and become the tool, and returns why
// it could not.
func (p *process) begin(spec confine.Spec) error {
	defer p.control.Close()
	if err := p.group.add(p.command.Process.Pid); err != nil {
		return err
	}
	data, err := json.Marshal(spec)
	if err == nil {
		_, err = p.control.Write(data)
	}
	if err == nil {
		err = p.control.CloseWrite()
	}
	if err != nil {
		return fmt.Errorf("tell the executor its limits: %w", err)
	}
	// This ends when the executor has become the tool, or has died.
	report, err := io.ReadAll(io.LimitReader(p.control, 4096))
	if err == nil && len(report) > 0 {
		err = errors.New(sallyport.Visible(string(report)))
	}
	return err
}

// ending says how a process that has ended did.
func (p *process) ending(ctx context.Context, stopped, waited error) ending {
	e := ending{output: p.stdout.data.Bytes(), stderr: p.stderr.data.String()}
	status, _ := p.command.ProcessState.Sys().(syscall.WaitStatus)
	signal := status.Signal() // negative where there was none
	switch {
	case p.stdout.overflowed:
		e.code, e.reason = codeOutput, fmt.Sprintf("the tool's response is larger than %d bytes", p.stdout.limit)
	case waited == nil || status.Exited() && status.ExitStatus() == 0:
	case errors.Is(stopped, errTimeout):
		e.code, e.reason = codeTimeout, "the tool took longer than it may, and was stopped"
	case ctx.Err() != nil:
		e.code, e.reason = codeCancelled, "the run was stopped"
	case p.group.outOfMemory() || memoryExhausted(e.stderr):
		e.code, e.reason = codeMemory, "the tool needed more memory than its manifest grants"
	case signal == unix.SIGKILL || signal == unix.SIGXCPU:
		e.code, e.reason = codeKilled, "the tool was killed by "+unix.SignalName(signal)
	case signal >= 0:
		e.code, e.reason = codeCrashed, "the tool crashed with "+unix.SignalName(signal)
	default:
		e.code, e.reason = codeCrashed, fmt.Sprintf("the tool exited with status %d", status.ExitStatus())
	}
	return e
}

// memoryExhausted recognises how the Go runtime ends where it gets no memory.
func memoryExhausted(stderr string) bool {
	for _, sign := range []string{"fatal error: runtime: out of memory", "fatal error: runtime: cannot allocate memory", "runtime: out of memory:"} {
		if bytes.Contains([]byte(stderr), []byte(sign)) {
			return true
		}
	}
	return false
}
