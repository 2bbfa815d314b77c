package instancetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/dev/internal/address"
)

// How long an instance may take to be ready, to stop, and to do what a test
// waits for. It takes a few seconds on a quiet machine.
const (
	startLimit = 2 * time.Minute
	stopLimit  = time.Minute
	patience   = 90 * time.Second
)

// pollEvery is how often a condition is polled that can't notify the test.
const pollEvery = 20 * time.Millisecond

// ours are environment variables that programs of ours look at.
var ours = regexp.MustCompile(`^(OTEL|SALLYPORT)_`)

// environment is this process's own without what would change what an
// instance does.
func environment() []string {
	var kept []string
	for _, v := range os.Environ() {
		if !ours.MatchString(v) {
			kept = append(kept, v)
		}
	}
	return kept
}

// Options of an instance. The zero value is one on new state.
type Options struct {
	Dir      string   // of the state; default a new one, removed with the test
	Executor string   // in the place of toolexec
	Webhook  string   // that is told of calls that wait for people
	Env      []string // added to this process's own, without OTEL_* and SALLYPORT_*

	// Addresses, where they matter.
	API, Temporal, TemporalUI, IdentityProvider string
}

// Instance is a development instance that runs, or did. It is for one
// goroutine at a time, but for its clients.
type Instance struct {
	options Options
	// The addresses are the same after each start, as those of a real gateway
	// are. Tokens and the ids of calls depend on the identity provider's.
	addresses []string

	process *Process // nil when it doesn't run
	out     *log
	errs    *log
	info    client.Instance
}

// Start starts an instance, and kills it when the test ends.
func Start(tb testing.TB, o Options) *Instance {
	tb.Helper()
	i := New(tb, o)
	i.Restart(tb)
	return i
}

// New makes an instance that doesn't run yet.
func New(tb testing.TB, o Options) *Instance {
	tb.Helper()
	if o.Dir == "" {
		o.Dir = filepath.Join(tb.TempDir(), "state")
	}
	i := &Instance{options: o, out: &log{}, errs: &log{}}
	for _, a := range []struct{ flag, addr string }{
		{"--api", o.API}, {"--temporal", o.Temporal}, {"--temporal-ui", o.TemporalUI}, {"--identity-provider", o.IdentityProvider},
	} {
		if a.addr == "" {
			a.addr = address.Free(tb)
		}
		i.addresses = append(i.addresses, a.flag, a.addr)
	}
	tb.Cleanup(func() { i.close(tb) })
	return i
}

// Restart starts the instance again after [Instance.Kill] or
// [Instance.Interrupt], on the same state and at the same addresses.
func (i *Instance) Restart(tb testing.TB) {
	tb.Helper()
	if err := i.Run(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

// Run is Restart for tests in which it may fail.
func (i *Instance) Run(ctx context.Context) error {
	dir, err := programs()
	if err != nil {
		return err
	}
	if i.process != nil {
		return errors.New("the instance is running already")
	}
	args := i.Arguments("up")
	if i.options.Executor != "" {
		args = append(args, "--executor", i.options.Executor)
	}
	if i.options.Webhook != "" {
		args = append(args, "--webhook", i.options.Webhook)
	}
	cmd := exec.Command(filepath.Join(dir, "sallyport-dev"), args...) //nolint:gosec,noctx // it is what is tested; end ends it
	cmd.Env = append(environment(), i.options.Env...)
	if i.process, err = launch(cmd, i.out, i.errs); err != nil {
		return err
	}
	if err := i.untilReady(ctx); err != nil {
		_ = i.end(os.Kill)
		return fmt.Errorf("start an instance: %w\n%s", err, i.errs)
	}
	return nil
}

// untilReady waits for the instance to say where it is. What an earlier
// process said may still be there.
func (i *Instance) untilReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		info, err := client.ReadInstance(i.options.Dir)
		if err == nil && info.PID == i.process.cmd.Process.Pid {
			i.info = info
			return nil
		}
		select {
		case <-tick.C:
		case <-i.process.exited:
			return fmt.Errorf("it ended with %s", i.process.cmd.ProcessState)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Kill kills the instance as kill -9 does.
func (i *Instance) Kill(tb testing.TB) {
	tb.Helper()
	if err := i.end(os.Kill); err != nil {
		tb.Error(err)
	}
}

// Interrupt stops the instance as Ctrl-C does, and expects it to end well.
func (i *Instance) Interrupt(tb testing.TB) {
	tb.Helper()
	if i.process != nil {
		i.process.stop(tb, os.Interrupt)
		i.process = nil
	}
}

func (i *Instance) end(s os.Signal) error {
	if i.process == nil {
		return nil
	}
	err := i.process.end(s)
	i.process = nil
	return err
}

// close ends the instance with the test. Its state is not needed any more.
func (i *Instance) close(tb testing.TB) {
	tb.Helper()
	_ = i.end(os.Kill)
	if tb.Failed() {
		tb.Logf("the instance's log:\n%s", i.errs)
	}
}

// Info is what the instance says of itself.
func (i *Instance) Info() client.Instance { return i.info }

// Path is a file of the instance's state.
func (i *Instance) Path(name string) string { return filepath.Join(i.options.Dir, name) }

// Log is what the instance logged, in all its lives.
func (i *Instance) Log() string { return i.errs.String() }

// Output is what the instance told its user, in all its lives.
func (i *Instance) Output() string { return i.out.String() }

// Token is a token for the API as one of the demo's identities.
func (i *Instance) Token(tb testing.TB, who string) string {
	tb.Helper()
	token, err := i.info.IdentityToken(tb.Context(), who, "sallyport")
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

// Client speaks to the API as one of the demo's identities.
func (i *Instance) Client(tb testing.TB, who string) *client.Client {
	tb.Helper()
	c, err := client.New(i.info.API, i.Token(tb, who))
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// Await waits until a condition holds.
func Await(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			tb.Fatalf("in %s this did not come about: %s", patience, what)
		}
	}
}

// AwaitLog waits until the instance has logged a text.
func (i *Instance) AwaitLog(tb testing.TB, text string) {
	tb.Helper()
	Await(tb, "the instance logs "+text, func() bool { return strings.Contains(i.Log(), text) })
}
