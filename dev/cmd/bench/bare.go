//go:build !race

package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"
	sdkclient "go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/sallyport/sallyport/temporal-server/authz"
	"github.com/sallyport/sallyport/temporal-server/server"
	"github.com/sallyport/sallyport/workflows/wire"
)

// bareWorker runs workflows of one activity that does nothing.
type bareWorker struct {
	queue   string
	starter sdkclient.Client
	eager   bool
	started atomic.Int64
	stops   []func()
}

// newBareWorker has one client that starts workflows and another that polls,
// with the credentials of the gateway's two parts.
func newBareWorker(ctx context.Context, server *server.Server, logger *slog.Logger) (*bareWorker, error) {
	starter, err := sdkclient.DialContext(ctx, clientOptions(server, authz.Gateway, logger))
	if err != nil {
		return nil, err
	}
	poller, err := sdkclient.DialContext(ctx, clientOptions(server, authz.Worker, logger))
	if err != nil {
		starter.Close()
		return nil, err
	}
	b := &bareWorker{queue: bareQueue, starter: starter, stops: []func(){starter.Close, poller.Close}}
	return b, b.poll(poller)
}

// newEagerWorker has one client for both, as far as the SDK can tell, so that
// the server may answer a start with the first workflow task. Each request
// carries the credentials of the part that it is of.
func newEagerWorker(ctx context.Context, server *server.Server, logger *slog.Logger) (*bareWorker, error) {
	o := clientOptions(server, authz.Worker, logger)
	o.HeadersProvider = nil
	o.ConnectionOptions.DialOptions = append(o.ConnectionOptions.DialOptions, grpc.WithChainUnaryInterceptor(
		func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			role := authz.Worker
			if strings.HasSuffix(method, "/StartWorkflowExecution") {
				role = authz.Gateway
			}
			token, err := server.ServiceToken(role)
			if err != nil {
				return err
			}
			return invoke(metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token), method, req, reply, cc, opts...)
		}))
	c, err := sdkclient.DialContext(ctx, o)
	if err != nil {
		return nil, err
	}
	b := &bareWorker{queue: eagerQueue, starter: c, eager: true, stops: []func(){c.Close}}
	return b, b.poll(c)
}

func (b *bareWorker) poll(c sdkclient.Client) error {
	w := worker.New(c, b.queue, worker.Options{DisableRegistrationAliasing: true})
	// The gateway may start workflows of this name alone.
	w.RegisterWorkflowWithOptions(bareWorkflow, workflow.RegisterOptions{Name: wire.ToolCallName})
	w.RegisterActivityWithOptions(bareActivity, activity.RegisterOptions{Name: bareActivityName})
	b.stops = append(b.stops, w.Stop)
	return w.Start()
}

func (b *bareWorker) stop() {
	for _, stop := range slices.Backward(b.stops) {
		stop()
	}
}

// The task queues of bare workflows.
const (
	bareQueue  = "bare"
	eagerQueue = "bare-eager"
)

const bareActivityName = "Nothing"

// bareWorkflow is what the gateway's workflow would be if it did nothing.
func bareWorkflow(ctx workflow.Context, in string) (out string, err error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute, HeartbeatTimeout: 20 * time.Second,
	})
	err = workflow.ExecuteActivity(ctx, bareActivityName, in).Get(ctx, &out)
	return out, err
}

func bareActivity(_ context.Context, in string) (string, error) { return in, nil }

// once runs one workflow to its result.
func (b *bareWorker) once(ctx context.Context, h *harness, _ int) (string, error) {
	id := fmt.Sprintf("call-%s-%d", b.queue, b.started.Add(1))
	_, err := b.starter.ExecuteWorkflow(ctx, sdkclient.StartWorkflowOptions{ID: id, TaskQueue: b.queue, EnableEagerStart: b.eager}, wire.ToolCallName, "hello")
	if err != nil {
		return id, err
	}
	var out string
	return id, h.await(ctx, id, &out)
}
