package instancetest_test

import (
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/dev/instancetest"
)

// TestInterrupt stops the gateway as Ctrl-C does while a call waits for
// people, and starts it again.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	d := start(t, seeded(t, "production/api"))
	id := d.submit(scale("production/api", 5))
	ballot := d.ballot(id)
	d.Interrupt(t)
	wantGone(t, d.Instance)

	d.Restart(t)
	d.connect()
	if got := d.ballot(id); got != ballot {
		t.Errorf("the ballot was %s and is %s", ballot, got)
	}
	d.approve(id)
	d.ends(id, sallyport.StateSucceeded)
	wantSound(t, d.Instance, d.book.calls())
}

// wantGone checks that no program listens where an instance was.
func wantGone(t *testing.T, i *instancetest.Instance) {
	t.Helper()
	if _, err := client.ReadInstance(i.Path("")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it still says where it is: %v", err)
	}
	info := i.Info()
	for _, addr := range []string{info.API, info.Temporal, info.TemporalUI, info.IdentityProvider} {
		if u, err := url.Parse(addr); err == nil && u.Host != "" {
			addr = u.Host
		}
		if c, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr); err == nil {
			_ = c.Close()
			t.Errorf("something still listens on %s", addr)
		}
	}
}

// TestOnePerDirectory starts a second instance on the state of the first.
func TestOnePerDirectory(t *testing.T) {
	t.Parallel()
	i := instancetest.Start(t, instancetest.Options{})
	second := instancetest.New(t, instancetest.Options{Dir: i.Path("")})
	if err := second.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "another instance works in") {
		t.Errorf("started twice on one state: %v", err)
	}
	if _, err := i.Client(t, "deploy-bot").Submit(t.Context(), read("staging/api")); err != nil {
		t.Errorf("the first no longer takes calls: %v", err)
	}
}

// TestTakenPorts starts an instance whose ports other listeners have taken, and
// again when they are free: calls wait for approval where they waited.
func TestTakenPorts(t *testing.T) {
	t.Parallel()
	var listeners []net.Listener
	for range 4 {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		listeners = append(listeners, l)
	}
	i := instancetest.New(t, instancetest.Options{
		API: listeners[0].Addr().String(), Temporal: listeners[1].Addr().String(),
		TemporalUI: listeners[2].Addr().String(), IdentityProvider: listeners[3].Addr().String(),
	})
	i.Restart(t)
	info := i.Info()
	for n, addr := range []string{info.API, info.Temporal, info.TemporalUI, info.IdentityProvider} {
		if taken := listeners[n].Addr().String(); strings.HasSuffix(addr, taken) {
			t.Errorf("it says that it listens at %s, which another listener has taken", taken)
		}
		if !strings.Contains(i.Output(), addr) {
			t.Errorf("it does not say that it is at %s: %s", addr, i.Output())
		}
	}
	bot := i.Client(t, "deploy-bot")
	s := scale("production/api", 5)
	call, err := bot.Submit(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	instancetest.Await(t, "the call waits for approval", func() bool {
		call, err = bot.Get(t.Context(), call.ID, 0)
		return err == nil && call.State == sallyport.StateAwaitingApproval
	})
	i.Interrupt(t)
	for _, l := range listeners {
		if err := l.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Fatal(err)
		}
	}
	i.Restart(t)
	vote(t.Context(), i.Client(t, "bob"), call.ID)
	instancetest.Await(t, "the call has ended", func() bool {
		call, err = i.Client(t, "deploy-bot").Get(t.Context(), call.ID, 0)
		return err == nil && call.State.Final()
	})
	if call.State != sallyport.StateSucceeded {
		t.Errorf("after the restart the call ended as %s: %+v", call.State, call.Error)
	}
}
