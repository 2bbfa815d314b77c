//go:build !race

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/api/serviceerror"
	sdkclient "go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/adapters/telemetry"
	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/dev/instance"
	"github.com/sallyport/sallyport/temporal-server/authz"
	"github.com/sallyport/sallyport/temporal-server/server"
)

// harness is a running instance, with the clients that measure it.
type harness struct {
	api      string
	http     *http.Client
	tokens   []string         // of the agents that call
	refused  times            // calls for which the gateway had too much to do
	temporal sdkclient.Client // as the gateway's API
	bare     *bareWorker
	eager    *bareWorker
	ledger   *ledger.Archive              // the instance's
	stories  map[string][]sallyport.Entry // of its calls, as of when it was read
}

// withHarness starts an instance on new state, and stops it when f returns.
func withHarness(ctx context.Context, f func(context.Context, *harness) error) (err error) {
	dir, err := os.MkdirTemp("", "sallyport-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// Log lines are formatted as in production, and discarded.
	logger, err := telemetry.NewLogger(io.Discard, telemetry.LogOptions{Format: "text"})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var temporal *server.Server
	var measured error
	const free = "127.0.0.1:0"
	err = instance.Run(ctx, instance.Options{
		Dir: dir, API: free, Temporal: free, TemporalUI: free, IdentityProvider: free, Logger: logger,
		OnTemporal: func(s *server.Server) { temporal = s }, TaskQueues: []string{bareQueue, eagerQueue},
	}, func(i client.Instance) error {
		defer stop()
		measured = prepare(ctx, i, temporal, logger, f)
		return nil
	})
	if measured != nil {
		return measured
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// prepare connects what the measurements need to an instance, and calls f.
func prepare(ctx context.Context, i client.Instance, server *server.Server, logger *slog.Logger, f func(context.Context, *harness) error) (err error) {
	h := &harness{
		api: i.API,
		http: &http.Client{
			Timeout:   time.Minute,
			Transport: &http.Transport{MaxIdleConnsPerHost: 1000},
		},
	}
	for _, agent := range []string{"deploy-bot", "triage-bot"} {
		token, err := i.IdentityToken(ctx, agent, "sallyport")
		if err != nil {
			return err
		}
		h.tokens = append(h.tokens, token)
	}
	if h.temporal, err = sdkclient.DialContext(ctx, clientOptions(server, authz.Gateway, logger)); err != nil {
		return err
	}
	defer h.temporal.Close()
	if h.bare, err = newBareWorker(ctx, server, logger); err != nil {
		return err
	}
	defer h.bare.stop()
	if h.eager, err = newEagerWorker(ctx, server, logger); err != nil {
		return err
	}
	defer h.eager.stop()
	if h.ledger, err = ledger.OpenArchive(ctx, ledger.Database{Path: filepath.Join(i.Dir, "ledger.db")}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.ledger.Close()) }()
	return f(ctx, h)
}

// clientOptions are those of the gateway's own clients.
func clientOptions(server *server.Server, role authz.Role, logger *slog.Logger) sdkclient.Options {
	o := server.ClientOptions(role)
	o.Logger = sdklog.NewStructuredLogger(logger)
	o.ConnectionOptions.GrpcCompression = &sdkclient.GrpcCompressionNone{}
	return o
}

// await waits until a workflow has closed, and takes its result.
func (h *harness) await(ctx context.Context, workflowID string, result any) error {
	run := h.temporal.GetWorkflow(ctx, workflowID, "")
	for {
		// The server may miss to notify a long poll: ask again.
		limited, cancel := context.WithTimeout(ctx, time.Second)
		err := run.Get(limited, result)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil || !late(err) {
			return fmt.Errorf("workflow %s: %w", workflowID, err)
		}
	}
}

func late(err error) bool {
	_, server := errors.AsType[*serviceerror.DeadlineExceeded](err)
	return server || errors.Is(err, context.DeadlineExceeded)
}
