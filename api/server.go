package api

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// How long after the longest wait the server may take to write a response, and how
// many bytes of headers a request may have.
const (
	responseTime   = 30 * time.Second
	maxHeaderBytes = 16 << 10
)

// Server serves the REST API.
type Server struct {
	opts       Options
	echo       *echo.Echo
	limiter    *limiter
	open       chan struct{} // one for each request at work without a token
	probes     chan struct{} // the same, of health checks
	readiness  readiness
	rejections *rejectionLog

	draining context.Context // ends when the server stops waiting for calls
	drain    context.CancelFunc
}

// New makes a server. It refuses options that lack something.
func New(opts Options) (*Server, error) {
	opts = opts.withDefaults()
	if err := opts.check(); err != nil {
		return nil, err
	}
	s := &Server{
		opts: opts, echo: echo.New(), rejections: newRejectionLog(), limiter: newLimiter(opts.RateLimit, opts.ReadLimit, opts.Now),
		open: make(chan struct{}, mostOpen), probes: make(chan struct{}, mostProbes),
	}
	s.draining, s.drain = context.WithCancel(context.Background())
	s.echo.HTTPErrorHandler = s.fail
	s.echo.Use(s.observe, protect, s.recoverPanic)
	for _, r := range s.routes() {
		s.echo.Add(r.method, r.path, s.admit(r))
		if r.method == http.MethodGet { // net/http leaves the body out
			s.echo.Add(http.MethodHead, r.path, s.admit(r))
		}
	}
	return s, nil
}

// Handler is the server without its listener, for a caller with its own
// [http.Server], which must set the time limits of [Server.Serve].
func (s *Server) Handler() http.Handler {
	if s.opts.Wrap != nil {
		return s.opts.Wrap(s.echo)
	}
	return s.echo
}

// Serve serves requests until ctx ends. Then it accepts no more, responds to
// those that wait for a call with the call as it stands, and returns nil after the
// last response, or an error if that took too long. It closes l, and is called
// once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	defer s.drain()
	server := s.httpServer(ctx)
	stopped := make(chan error, 1)
	go func() { stopped <- server.Serve(l) }()
	select {
	case err := <-stopped:
		return err
	case <-ctx.Done():
	}
	s.drain()
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.opts.Timeouts.Drain)
	defer cancel()
	err := server.Shutdown(deadline)
	if err != nil {
		err = errors.Join(err, server.Close())
	}
	s.rejections.wait()
	if ended := <-stopped; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}

func (s *Server) httpServer(ctx context.Context) *http.Server {
	return &http.Server{
		Handler: s.Handler(),
		// Requests outlive ctx: they are drained, not cut.
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ReadHeaderTimeout: s.opts.Timeouts.ReadHeader,
		ReadTimeout:       s.opts.Timeouts.Read,
		WriteTimeout:      s.opts.MaxWait + responseTime,
		IdleTimeout:       s.opts.Timeouts.Idle,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.opts.Logger.Handler(), slog.LevelDebug),
	}
}
