package temporaltest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os/exec"
	"sync"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/sallyport/sallyport/dev/internal/temporald"
	"github.com/sallyport/sallyport/temporal-server/authz"
)

// Options of an instance. The zero value is a server without UI, on new
// state, with authorization, where alice, bob and carol are approvers, olga is
// an operator and audra a reader.
type Options struct {
	Dir              string              // of the state; default a new one, removed with the test
	Postgres         *temporald.Postgres // of the state instead, see package postgrestest
	Shards           int32               // of the history; default the server's
	FrontendAddr     string              // default any free port of 127.0.0.1
	Namespace        string              // default "default"
	SearchAttributes map[string]enumspb.IndexedValueType
	Roles            map[string]authz.Role // of people, by subject
	Open             bool                  // no authorization: everyone may do everything
	UI               bool
	CodecEndpoint    string
}

// startLimit is how long a server may take. It takes a second on a quiet
// machine.
const startLimit = 2 * time.Minute

// Instance is a running server.
type Instance struct {
	provider *Provider
	config   temporald.Config

	mu    sync.Mutex
	ready temporald.Ready
	cmd   *exec.Cmd
	stdin io.Closer
	logs  *bytes.Buffer
}

// Start starts a server, and stops it when the test ends.
func Start(tb testing.TB, o Options) *Instance {
	tb.Helper()
	i := New(tb, o)
	i.Restart(tb)
	return i
}

// New makes an instance that doesn't run yet, for tests in which it may fail
// to start.
func New(tb testing.TB, o Options) *Instance {
	tb.Helper()
	i := &Instance{provider: NewProvider(tb)}
	i.config = temporald.Config{
		Dir:              o.Dir,
		Postgres:         o.Postgres,
		Shards:           o.Shards,
		FrontendAddr:     cmp.Or(o.FrontendAddr, "127.0.0.1:0"),
		Namespace:        cmp.Or(o.Namespace, "default"),
		SearchAttributes: map[string]string{},
		CodecEndpoint:    o.CodecEndpoint,
	}
	if o.Dir == "" && o.Postgres == nil {
		i.config.Dir = tb.TempDir()
	}
	for name, typ := range o.SearchAttributes {
		i.config.SearchAttributes[name] = typ.String()
	}
	if !o.Open {
		i.config.People = i.provider.people(o.Roles)
	}
	if o.UI {
		i.config.UIAddr = "127.0.0.1:0"
	}
	if o.UI && !o.Open {
		i.config.Login = &temporald.Login{Provider: i.provider.URL(), ClientID: uiClient, ClientSecret: uiSecret}
	}
	tb.Cleanup(func() { i.close(tb) })
	return i
}

// Restart starts the server again after [Instance.Kill] or [Instance.Stop],
// on the same state and at the same address.
func (i *Instance) Restart(tb testing.TB) {
	tb.Helper()
	if err := i.Run(); err != nil {
		tb.Fatal(err)
	}
}

// Run is Restart for tests in which it may fail.
func (i *Instance) Run() error {
	path, err := executable()
	if err != nil {
		return err
	}
	config, err := json.Marshal(i.config)
	if err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.cmd != nil {
		return errors.New("the Temporal server is running already")
	}
	ready, err := i.launch(path, config)
	if err != nil {
		return fmt.Errorf("start the Temporal server: %w\n%s", err, i.logs)
	}
	i.ready = ready
	i.config.FrontendAddr = ready.FrontendAddr
	if i.config.UIAddr != "" {
		i.config.UIAddr = ready.UIAddr
	}
	return nil
}

// launch runs the program until it says that it is ready. The program ends
// by itself when its input is closed, which this process' death does too.
func (i *Instance) launch(path string, config []byte) (ready temporald.Ready, err error) {
	cmd := exec.Command(path) //nolint:noctx // ended by end
	i.logs = &bytes.Buffer{}
	cmd.Stderr = i.logs
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return ready, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return ready, err
	}
	if err := cmd.Start(); err != nil {
		return ready, err
	}
	i.cmd, i.stdin = cmd, stdin
	late := time.AfterFunc(startLimit, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	if _, err := stdin.Write(append(config, '\n')); err != nil {
		return ready, i.failed(err)
	}
	if err := json.NewDecoder(stdout).Decode(&ready); err != nil {
		return ready, i.failed(err)
	}
	return ready, nil
}

// failed waits for a program that didn't get ready, so that all it said is
// in the logs.
func (i *Instance) failed(err error) error {
	_ = i.stdin.Close()
	exit := i.cmd.Wait()
	i.cmd = nil
	return fmt.Errorf("it did not become ready: %w (%w)", err, exit)
}

// Kill kills the server as kill -9 does.
func (i *Instance) Kill(tb testing.TB) {
	tb.Helper()
	_ = i.end(func(cmd *exec.Cmd, _ io.Closer) { _ = cmd.Process.Kill() }) // it says that it was killed
}

// Stop stops the server as its operator does.
func (i *Instance) Stop(tb testing.TB) {
	tb.Helper()
	if err := i.end(func(_ *exec.Cmd, stdin io.Closer) { _ = stdin.Close() }); err != nil {
		tb.Errorf("stop the Temporal server: %v\n%s", err, i.logs)
	}
}

func (i *Instance) end(how func(*exec.Cmd, io.Closer)) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.cmd == nil {
		return nil
	}
	how(i.cmd, i.stdin)
	err := i.cmd.Wait()
	i.cmd = nil
	return err
}

// Ended waits until the server ends by itself and returns what it logged.
func (i *Instance) Ended(tb testing.TB) string {
	tb.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.cmd == nil {
		tb.Fatal("the Temporal server is not running")
	}
	late := time.AfterFunc(startLimit, func() { _ = i.cmd.Process.Kill() })
	defer late.Stop()
	_ = i.cmd.Wait() // the log says why
	i.cmd = nil
	return i.logs.String()
}

// close ends the server with the test. Its state is not needed any more.
func (i *Instance) close(tb testing.TB) {
	tb.Helper()
	i.Kill(tb)
	if tb.Failed() && i.logs != nil {
		tb.Logf("the Temporal server's log:\n%s", i.logs)
	}
}

// FrontendAddr is where clients connect.
func (i *Instance) FrontendAddr() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.ready.FrontendAddr
}

// UIAddr is where the Web UI is, or "".
func (i *Instance) UIAddr() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.ready.UIAddr
}

// PID is the server's process.
func (i *Instance) PID(tb testing.TB) int {
	tb.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.cmd == nil {
		tb.Fatal("the Temporal server is not running")
	}
	return i.cmd.Process.Pid
}

// Provider is the identity provider of people.
func (i *Instance) Provider() *Provider { return i.provider }

// Service is what a client needs to connect as the gateway or a worker. It
// stays right when the server is restarted.
func (i *Instance) Service(role authz.Role) client.Options {
	return i.options(func(context.Context) (string, error) {
		i.mu.Lock()
		defer i.mu.Unlock()
		return i.ready.Tokens[role], nil
	})
}

// Person is what a client needs to connect as a person.
func (i *Instance) Person(subject string) client.Options {
	return i.options(func(context.Context) (string, error) { return i.provider.AccessToken(subject), nil })
}

// Anonymous is what a client needs to connect without a token.
func (i *Instance) Anonymous() client.Options {
	return i.options(nil)
}

func (i *Instance) options(token authz.TokenSource) client.Options {
	o := client.Options{
		HostPort:  i.FrontendAddr(),
		Namespace: i.config.Namespace,
		Logger:    sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	}
	if token != nil && i.config.People != nil {
		o.HeadersProvider = token
	}
	return o
}

// Dial connects a client and closes it when the test ends.
func (i *Instance) Dial(tb testing.TB, o client.Options) client.Client {
	tb.Helper()
	c, err := client.DialContext(tb.Context(), o)
	if err != nil {
		tb.Fatalf("connect to the Temporal server: %v", err)
	}
	tb.Cleanup(c.Close)
	return c
}

func defaultRoles() map[string]authz.Role {
	return map[string]authz.Role{
		"alice": authz.Approver, "bob": authz.Approver, "carol": authz.Approver,
		"olga": authz.Operator, "audra": authz.Reader,
	}
}

func (p *Provider) people(roles map[string]authz.Role) *temporald.People {
	if roles == nil {
		roles = defaultRoles()
	}
	return &temporald.People{JWKS: p.URL() + jwksPath, Issuer: p.URL(), Audience: audience, Roles: maps.Clone(roles)}
}
