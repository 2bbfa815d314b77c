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
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/sandbox/confine"
)

// stderrBytes is how much of a tool's standard error the runner keeps.
const stderrBytes = 16 << 10

// jail starts executors in sandboxes.
type jail struct {
	binary   *os.File // the executor, sealed
	launcher *launcher
	cgroups  *cgroups // may be nil
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
	l, err := newLauncher(binary, mapped)
	if err != nil {
		return nil, errors.Join(err, binary.Close())
	}
	return &jail{binary: binary, launcher: l, cgroups: groups}, nil
}

func (j *jail) close() error {
	j.launcher.close()
	return j.binary.Close()
}

// run runs one executor to its end: when it returns, no process and no file of it
// is left. An error means that the executor did not become the tool.
func (j *jail) run(ctx context.Context, w job) (ending, error) {
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
	unwatch := context.AfterFunc(limited, p.kill)
	refused := p.begin(w.spec)
	if refused != nil {
		// It has not become the tool.
		p.kill()
	}
	status, err := p.wait()
	unwatch()
	// Requests to the broker end with the process.
	stopped := context.Cause(limited)
	stop(nil)
	_ = p.broker.Close()
	<-served
	switch {
	case refused != nil && stopped != nil:
		return ending{}, sallyport.Errorf(sallyport.Unavailable, sallyport.CodeCancelled, "the run was stopped before it began: %w", stopped)
	case refused != nil:
		return ending{}, unavailable(refused)
	case err != nil:
		return ending{}, sallyport.Errorf(sallyport.Internal, sallyport.CodeNoStatus, "sandbox: wait for the executor: %w", err)
	}
	return p.ending(ctx, stopped, status), nil
}

// process is an executor that was started.
type process struct {
	process *os.Process
	release func()
	broker  net.Conn
	control *net.UnixConn
	stdout  *capture
	stderr  *capture
	outputs []*os.File
	copying sync.WaitGroup
	group   *cgroup
}

// start starts an executor that waits for its specification.
func (j *jail) start(ctx context.Context, w job, overflow func()) (_ *process, err error) {
	if err := ctx.Err(); err != nil {
		return nil, sallyport.Errorf(sallyport.Unavailable, sallyport.CodeCancelled, "the run was stopped before it began: %w", err)
	}
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
	stdin, err := p.connect(&ends)
	if err != nil {
		return nil, err
	}
	if p.group, err = j.cgroups.create(w.spec); err != nil {
		return nil, err
	}
	if p.process, p.release, err = j.launcher.start(ends.children); err != nil {
		return nil, unavailable(err)
	}
	p.pump(stdin, w.request)
	return p, nil
}

// connect makes the executor's descriptors, in the order in which it has them.
func (p *process) connect(ends *endpoints) (stdin *os.File, err error) {
	if stdin, err = ends.input(); err != nil {
		return nil, err
	}
	for range 2 {
		output, err := ends.output()
		if err != nil {
			return nil, err
		}
		p.outputs = append(p.outputs, output)
	}
	if p.broker, err = ends.pair("broker", unix.SOCK_STREAM); err != nil {
		return nil, err
	}
	p.control, err = ends.pair("control", unix.SOCK_STREAM)
	return stdin, err
}

// pump writes the request to the executor and captures its output.
func (p *process) pump(stdin *os.File, request []byte) {
	p.copying.Go(func() {
		_, _ = stdin.Write(request) // an executor may end without having read it
		_ = stdin.Close()
	})
	for i, to := range []*capture{p.stdout, p.stderr} {
		p.copying.Go(func() {
			_, _ = io.Copy(to, p.outputs[i]) // the reader finds a truncated response invalid
			_ = p.outputs[i].Close()
		})
	}
}

func (p *process) kill() { _ = p.process.Kill() } // fails only if it has ended

// wait waits for the end of the process and of its output. When the first process
// of a pid namespace ends, the kernel kills the others, so that no writer is left.
func (p *process) wait() (syscall.WaitStatus, error) {
	state, err := p.process.Wait()
	p.release()
	p.copying.Wait()
	if err != nil {
		return 0, err
	}
	status, ok := state.Sys().(syscall.WaitStatus)
	if !ok {
		return 0, fmt.Errorf("the state of the process is a %T; want a syscall.WaitStatus", state.Sys())
	}
	return status, nil
}

// begin sends the executor its limits, waits until it has confined itself and
// become the tool, and returns why it could not.
func (p *process) begin(spec confine.Spec) error {
	defer p.control.Close()
	if err := p.group.add(p.process.Pid); err != nil {
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
		return fmt.Errorf("send the executor its limits: %w", err)
	}
	// This ends when the executor has become the tool, or has died.
	report, err := io.ReadAll(io.LimitReader(p.control, 4096))
	if err == nil && len(report) > 0 {
		err = errors.New(sallyport.Visible(string(report)))
	}
	return err
}

// ending classifies how a process ended.
func (p *process) ending(ctx context.Context, stopped error, status syscall.WaitStatus) ending {
	e := ending{output: p.stdout.data.Bytes(), stderr: p.stderr.data.String()}
	signal := status.Signal() // negative where there was none
	switch {
	case p.stdout.overflowed:
		e.code, e.reason = sallyport.CodeOutputTooLarge, fmt.Sprintf("the tool's response is larger than %d bytes", p.stdout.limit)
	case status.Exited() && status.ExitStatus() == 0:
	case errors.Is(stopped, errTimeout):
		e.code, e.reason = sallyport.CodeTimeout, "the tool exceeded its time limit and was stopped"
	case ctx.Err() != nil:
		e.code, e.reason = sallyport.CodeCancelled, "the run was stopped"
	case p.group.outOfMemory() || memoryExhausted(e.stderr):
		e.code, e.reason = sallyport.CodeOutOfMemory, "the tool needed more memory than its manifest grants"
	case signal == unix.SIGKILL || signal == unix.SIGXCPU:
		e.code, e.reason = sallyport.CodeKilled, "the tool was killed by "+unix.SignalName(signal)
	case signal >= 0:
		e.code, e.reason = sallyport.CodeCrashed, "the tool crashed with "+unix.SignalName(signal)
	default:
		e.code, e.reason = sallyport.CodeCrashed, fmt.Sprintf("the tool exited with status %d", status.ExitStatus())
	}
	return e
}

// memoryExhausted recognises the message with which the Go runtime ends for want
// of memory.
func memoryExhausted(stderr string) bool {
	for _, sign := range []string{"fatal error: out of memory", "fatal error: runtime: out of memory", "fatal error: runtime: cannot allocate memory", "runtime: out of memory:"} {
		if bytes.Contains([]byte(stderr), []byte(sign)) {
			return true
		}
	}
	return false
}
