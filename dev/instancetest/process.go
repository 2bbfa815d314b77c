package instancetest

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// Process is one of the programs, running.
type Process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has ended
	errs   *log
}

// Serve runs one of the programs until it is stopped or the test ends.
func Serve(tb testing.TB, name string, args ...string) *Process {
	tb.Helper()
	p, err := launch(exec.Command(Program(tb, name), args...), &log{}, &log{}) //nolint:gosec,noctx // it is what is tested; end ends it
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = p.end(os.Kill)
		if tb.Failed() {
			tb.Logf("the log of %s:\n%s", name, p.errs)
		}
	})
	return p
}

// launch starts a program that dies with this process, whatever happens.
func launch(cmd *exec.Cmd, out, errs *log) (*Process, error) {
	if cmd.Env == nil {
		cmd.Env = environment()
	}
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = out, errs, attributes()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, exited: make(chan struct{}), errs: errs}
	go func() {
		_ = cmd.Wait() // its state says it
		close(p.exited)
	}()
	return p, nil
}

// Stop stops a program as a service manager does, and expects it to end well.
func (p *Process) Stop(tb testing.TB) {
	tb.Helper()
	p.stop(tb, syscall.SIGTERM)
}

func (p *Process) stop(tb testing.TB, s os.Signal) {
	tb.Helper()
	if err := p.end(s); err != nil {
		tb.Errorf("%v\n%s", err, p.errs)
	} else if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		tb.Errorf("%s, and %s exited with %d\n%s", s, p.cmd.Path, code, p.errs)
	}
}

// end signals the program and waits for its end.
func (p *Process) end(s os.Signal) error {
	_ = p.cmd.Process.Signal(s) // it may have ended
	late := time.NewTimer(stopLimit)
	defer late.Stop()
	select {
	case <-p.exited:
		return nil
	case <-late.C:
		_ = p.cmd.Process.Kill()
		<-p.exited
		return fmt.Errorf("%s did not end within %s of %s", p.cmd.Path, stopLimit, s)
	}
}
