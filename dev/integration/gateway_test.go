// Package integration tests workflows and activities against a real Temporal
// server.
package integration

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/temporal"
	"github.com/sallyport/sallyport/dev/temporaltest"
	"github.com/sallyport/sallyport/sallyporttest/workflowstest"
	"github.com/sallyport/sallyport/temporal-server/authz"
	"github.com/sallyport/sallyport/worker"
	"github.com/sallyport/sallyport/workflows/wire"
)

// gateway is a real Temporal server, a real worker, and fakes beyond.
type gateway struct {
	*workflowstest.Harness
	t       *testing.T
	server  *temporaltest.Instance
	codec   *temporal.Codec
	calls   *temporal.Client
	open    bool          // histories are not encrypted
	raw     client.Client // as the gateway, to look and to misbehave
	stopped chan struct{}
	stop    context.CancelFunc
}

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

func start(t *testing.T, o temporaltest.Options) *gateway {
	t.Helper()
	return startWith(t, o, false)
}

// startWith starts a gateway whose histories are encrypted, or in the clear.
func startWith(t *testing.T, o temporaltest.Options, open bool) *gateway {
	t.Helper()
	o.SearchAttributes = wire.SearchAttributes()
	g := &gateway{Harness: workflowstest.New(t, time.Now), t: t, server: temporaltest.Start(t, o), open: open}
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		t.Fatal(err)
	}
	var err error
	if g.codec, err = temporal.NewCodec(temporal.Key{ID: "k1", Secret: secret}); err != nil {
		t.Fatal(err)
	}
	g.raw = g.dial(g.server.Service(authz.Gateway))
	if g.calls, err = temporal.NewClient(g.raw); err != nil {
		t.Fatal(err)
	}
	g.work()
	return g
}

// dial connects with the gateway's converters.
func (g *gateway) dial(o client.Options) client.Client {
	g.t.Helper()
	o.Identity = "test"
	if g.open {
		return g.server.Dial(g.t, o)
	}
	o.DataConverter = temporal.NewDataConverter(g.codec)
	o.FailureConverter = temporal.NewFailureConverter(g.codec)
	return g.server.Dial(g.t, o)
}

// work runs a worker until the test ends or rest is called.
func (g *gateway) work() {
	g.t.Helper()
	c := g.dial(g.server.Service(authz.Worker))
	history, err := temporal.NewHistory(c, g.codec)
	if err != nil {
		g.t.Fatal(err)
	}
	g.Acts.Options.Signals = history
	calls, err := temporal.NewClient(c)
	if err != nil {
		g.t.Fatal(err)
	}
	w, err := worker.New(worker.Options{
		Client: c, Activities: g.Acts, Logger: slog.New(slog.DiscardHandler),
		Sweep: worker.SweepOptions{
			Ledger: g.Ledger, Workflows: calls, Now: time.Now,
			Every: 50 * time.Millisecond, Grace: 2 * time.Second, RunGrace: 2 * time.Second,
		},
	})
	if err != nil {
		g.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	g.stop, g.stopped = stop, make(chan struct{})
	go func() {
		defer close(g.stopped)
		if err := w.Run(ctx); err != nil {
			g.t.Errorf("the worker: %v", err)
		}
	}()
	g.t.Cleanup(g.rest)
}

// rest stops the worker.
func (g *gateway) rest() {
	g.stop()
	<-g.stopped
}

// submit makes a call and starts its workflow.
func (g *gateway) submit(tool string) sallyport.Call {
	g.t.Helper()
	call, signed := g.Call(tool)
	if err := g.calls.Start(g.t.Context(), signed, call); err != nil {
		g.t.Fatal(err)
	}
	return call
}

// until waits until the call's record is as wanted.
func (g *gateway) until(id, what string, ok func(sallyport.Record) bool) sallyport.Record {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), patience)
	defer cancel()
	rec, err := g.Ledger.Call(ctx, id)
	for err == nil && !ok(rec) {
		seen := rec.Entries
		if rec, err = g.Ledger.Await(ctx, id, seen); err == nil && rec.Entries == seen {
			err = errors.New("nothing more was recorded")
		}
	}
	if err != nil {
		g.t.Fatalf("call %s is %s, and should be %s: %v\n%+v", id, rec.State, what, err, g.Kinds(id))
	}
	return rec
}

func (g *gateway) untilState(id string, s sallyport.State) sallyport.Record {
	g.t.Helper()
	return g.until(id, string(s), func(r sallyport.Record) bool { return r.State == s || r.State.Final() })
}

// awaitClosed waits until the call's workflow has closed.
func (g *gateway) awaitClosed(id string) error {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), patience)
	defer cancel()
	return g.raw.GetWorkflow(ctx, wire.WorkflowID(id), "").Get(ctx, nil)
}
