package api_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/api"
)

// serving is a server on a real port.
type serving struct {
	address string
	stop    context.CancelFunc
	stopped chan error
}

func serve(t *testing.T, s *api.Server) serving {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	run := serving{address: l.Addr().String(), stop: stop, stopped: make(chan error, 1)}
	go func() { run.stopped <- s.Serve(ctx, l) }()
	t.Cleanup(stop)
	return run
}

// sent is the status of a request's response, once it is there; 0 where there
// is none.
func (s serving) sent(t *testing.T, method, path, body, prefer string) <-chan int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.address+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer deploy-bot")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Prefer", prefer)
	responded := make(chan int, 1)
	go func() {
		defer close(responded)
		w, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
			return
		}
		defer w.Body.Close()
		responded <- w.StatusCode
	}()
	return responded
}

func (s serving) dial(t *testing.T) net.Conn {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// watched reports when a request awaits a call.
type watched struct {
	reader
	awaited chan struct{}
}

func (w watched) Await(ctx context.Context, id string, seen int) (sallyport.Record, error) {
	select {
	case w.awaited <- struct{}{}:
	default:
	}
	return w.reader.Await(ctx, id, seen)
}

// A server that stops lets go of those who wait, with the call as it stands,
// and the call goes on.
func TestGracefulShutdown(t *testing.T) {
	g := newGateway(t)
	awaited := make(chan struct{}, 1)
	g.options.Reader = watched{reader: reader{Ledger: g.ledger, down: g.down}, awaited: awaited}
	s := serve(t, g.server(t))
	responded := s.sent(t, http.MethodPost, "/v1/calls", slowBody, "wait=60")
	<-awaited
	s.stop()
	if status := <-responded; status != http.StatusAccepted {
		t.Errorf("%d", status)
	}
	if err := <-s.stopped; err != nil {
		t.Errorf("Serve: %v", err)
	}
	var d net.Dialer
	if conn, err := d.DialContext(t.Context(), "tcp", s.address); err == nil {
		t.Error("it still listens", conn.Close())
	}
}

// A server that stops finishes what it is doing.
func TestStoppingCutsNothing(t *testing.T) {
	g := newGateway(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	g.options.Metrics = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-leave
		if err := r.Context().Err(); err != nil {
			t.Errorf("the request was cut: %v", err)
		}
	})
	s := serve(t, g.server(t))
	responded := s.sent(t, http.MethodGet, "/metrics", "", "")
	<-entered
	s.stop()
	close(leave)
	if status := <-responded; status != http.StatusOK {
		t.Errorf("%d", status)
	}
	if err := <-s.stopped; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// One response that doesn't come must not keep a server from stopping.
func TestDrainDeadline(t *testing.T) {
	g := newGateway(t)
	g.options.Timeouts.Drain = 50 * time.Millisecond
	entered, leave := make(chan struct{}), make(chan struct{})
	g.options.Metrics = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(entered); <-leave })
	s := serve(t, g.server(t))
	conn := s.dial(t)
	if _, err := io.WriteString(conn, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-entered
	s.stop()
	if err := <-s.stopped; err == nil {
		t.Error("Serve hid that a response was cut off")
	}
	close(leave)
}

// Headers that trickle in hold a connection no longer than they may.
func TestSlowHeaders(t *testing.T) {
	g := newGateway(t)
	g.options.Timeouts.ReadHeader = 50 * time.Millisecond
	conn := serve(t, g.server(t)).dial(t)
	if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("the server did not close the connection: %v", err)
	}
}

func TestSlowBody(t *testing.T) {
	g := newGateway(t)
	g.options.Timeouts.Read = 50 * time.Millisecond
	conn := serve(t, g.server(t)).dial(t)
	if status := exchangeRaw(t, conn, "Content-Length: 100\r\n\r\n{"); status != http.StatusBadRequest {
		t.Errorf("%d", status)
	}
	if n := g.workflow.calls(); n != 0 {
		t.Errorf("%d calls were started", n)
	}
}

// A body that says that it is too large is refused before it is sent.
func TestLargeBodyIsNotAwaited(t *testing.T) {
	conn := serve(t, newGateway(t).server(t)).dial(t)
	if status := exchangeRaw(t, conn, "Content-Length: 1073741824\r\n\r\n"); status != http.StatusRequestEntityTooLarge {
		t.Errorf("%d", status)
	}
}

func TestManyHeaders(t *testing.T) {
	conn := serve(t, newGateway(t).server(t)).dial(t)
	status := exchangeRaw(t, conn, fmt.Sprintf("X-Large: %s\r\n\r\n", strings.Repeat("x", 64<<10)))
	if status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%d", status)
	}
}

// exchangeRaw is the status that a request, or the beginning of one, gets.
func exchangeRaw(t *testing.T, conn net.Conn, rest string) int {
	t.Helper()
	head := "POST /v1/calls HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer deploy-bot\r\nContent-Type: application/json\r\n"
	if _, err := io.WriteString(conn, head+rest); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	w, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	return w.StatusCode
}

// The limit on how long a request may take to arrive is none on how long its
// response may be waited for.
func TestWaitOutlastsReadTimeout(t *testing.T) {
	g := newGateway(t)
	g.options.Timeouts.Read = 100 * time.Millisecond
	s := serve(t, g.server(t))
	began := time.Now()
	status := <-s.sent(t, http.MethodPost, "/v1/calls", slowBody, "wait=1")
	if waited := time.Since(began); status != http.StatusAccepted || waited < time.Second {
		t.Errorf("%d after %s", status, waited)
	}
}
