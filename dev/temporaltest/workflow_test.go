package temporaltest_test

import (
	"context"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/sallyport/sallyport/dev/temporaltest"
	"github.com/sallyport/sallyport/temporal-server/authz"
	"github.com/sallyport/sallyport/workflows/wire"
)

const taskQueue = wire.TaskQueue

// toolCall does what a worker may have to do: a local activity, an activity
// with heartbeats, a timer, a query, an update; and it waits for "approve".
func toolCall(ctx workflow.Context) (string, error) {
	var votes []string
	if err := workflow.SetQueryHandler(ctx, "votes", func() ([]string, error) { return votes, nil }); err != nil {
		return "", err
	}
	if err := workflow.SetUpdateHandler(ctx, "vote", func(_ workflow.Context, vote string) (string, error) {
		votes = append(votes, vote)
		return "counted " + vote, nil
	}); err != nil {
		return "", err
	}
	local := workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{StartToCloseTimeout: time.Second})
	if err := workflow.ExecuteLocalActivity(local, decide).Get(ctx, nil); err != nil {
		return "", err
	}
	var verdict string
	workflow.GetSignalChannel(ctx, "approve").Receive(ctx, &verdict)
	if err := workflow.Sleep(ctx, 50*time.Millisecond); err != nil {
		return "", err
	}
	remote := workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 30 * time.Second, HeartbeatTimeout: 10 * time.Second})
	err := workflow.ExecuteActivity(remote, run).Get(ctx, nil)
	return verdict, err
}

func decide(context.Context) error { return nil }

func run(ctx context.Context) error {
	activity.RecordHeartbeat(ctx, "here")
	return nil
}

// work runs a worker until the test ends.
func work(t *testing.T, server *temporaltest.Instance, options client.Options) {
	t.Helper()
	w := worker.New(server.Dial(t, options), taskQueue, worker.Options{})
	w.RegisterWorkflowWithOptions(toolCall, workflow.RegisterOptions{Name: "ToolCall"})
	w.RegisterActivity(decide)
	w.RegisterActivity(run)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
}

// submit starts a call as the gateway.
func submit(t *testing.T, gateway client.Client, id string) client.WorkflowRun {
	t.Helper()
	wf, err := gateway.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: taskQueue}, "ToolCall")
	if err != nil {
		t.Fatalf("start a call: %v", err)
	}
	return wf
}

// result waits for a call's result.
func result(t *testing.T, wf client.WorkflowRun) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var verdict string
	if err := wf.Get(ctx, &verdict); err != nil {
		t.Fatalf("result of the call: %v", err)
	}
	return verdict
}

func gatewayClient(t *testing.T, server *temporaltest.Instance) client.Client {
	t.Helper()
	return server.Dial(t, server.Service(authz.Gateway))
}
