package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Time limits of the worker's small HTTP server.
const (
	monitorTimeout = 10 * time.Second
	monitorDrain   = 2 * time.Second
)

// serveMonitor serves the worker's /metrics, and its /healthz, which says that the
// process responds and no more. It closes l.
func (g *Gateway) serveMonitor(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", g.telemetry.MetricsHandler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"status":"ok"}`+"\n")
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: monitorTimeout, ReadTimeout: monitorTimeout, WriteTimeout: 2 * monitorTimeout}
	defer context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), monitorDrain)
		defer cancel()
		_ = server.Shutdown(ctx) // a scrape that is cut off loses nothing
	})()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("worker.listen: %w", err)
	}
	return nil
}

// monitor listens where the configuration says, or does nothing.
func (g *Gateway) monitor(ctx context.Context) (serve func(context.Context) error, err error) {
	addr := g.o.Config.Worker.Listen
	if addr == "" {
		return func(context.Context) error { return nil }, nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("worker.listen: %w", err)
	}
	return func(ctx context.Context) error { return g.serveMonitor(ctx, l) }, nil
}
