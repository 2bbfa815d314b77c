package temporaltest_test

import (
	"context"
	"errors"
	"time"

	batchpb "go.temporal.io/api/batch/v1"
	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

// systemQueue is where the server's own workflows of a namespace work.
const systemQueue = "temporal-sys-per-ns-tq"

// pollPatience is how long an attempt to poll waits: for a refusal, not for a
// task.
const pollPatience = 300 * time.Millisecond

func describe(ctx context.Context, c client.Client) error {
	_, err := c.DescribeWorkflowExecution(ctx, "call-1", "")
	return err
}

func list(ctx context.Context, c client.Client) error {
	_, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{})
	return err
}

func listSystem(ctx context.Context, c client.Client) error {
	_, err := c.WorkflowService().ListWorkflowExecutions(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: "temporal-system"})
	return err
}

func listNamespaces(ctx context.Context, c client.Client) error {
	_, err := c.WorkflowService().ListNamespaces(ctx, &workflowservice.ListNamespacesRequest{})
	return err
}

func registerNamespace(ctx context.Context, c client.Client) error {
	_, err := c.WorkflowService().RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{Namespace: "other"})
	return err
}

func query(ctx context.Context, c client.Client) error {
	_, err := c.QueryWorkflow(ctx, "call-1", "", "__temporal_workflow_metadata")
	return err
}

func signalNamed(name string) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		return c.SignalWorkflow(ctx, "call-2", "", name, "yes") // there is none: an allowed one changes nothing
	}
}

func startNamed(name string) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		_, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: "call-3", TaskQueue: taskQueue}, name)
		return err
	}
}

func signalWithStart(ctx context.Context, c client.Client) error {
	_, err := c.SignalWithStartWorkflow(ctx, "call-4", "approve", "yes", client.StartWorkflowOptions{TaskQueue: taskQueue}, "ToolCall")
	return err
}

func updateWithStart(ctx context.Context, c client.Client) error {
	start := c.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
		ID: "call-5", TaskQueue: taskQueue, WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
	}, "ToolCall")
	_, err := c.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: start,
		UpdateOptions:          client.UpdateWorkflowOptions{UpdateName: "vote", Args: []any{"yes"}, WaitForStage: client.WorkflowUpdateStageCompleted},
	})
	return err
}

func updateNamed(name string) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		_, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{WorkflowID: "call-1", UpdateName: name, WaitForStage: client.WorkflowUpdateStageCompleted})
		return err
	}
}

func batchSignal(ctx context.Context, c client.Client) error {
	_, err := c.WorkflowService().StartBatchOperation(ctx, &workflowservice.StartBatchOperationRequest{
		Namespace: "default", JobId: "b", Reason: "x", VisibilityQuery: "WorkflowId = 'call-1'",
		Operation: &workflowservice.StartBatchOperationRequest_SignalOperation{SignalOperation: &batchpb.BatchOperationSignal{Signal: "approve", Identity: "bob"}},
	})
	return err
}

func startActivity(ctx context.Context, c client.Client) error {
	_, err := c.ExecuteActivity(ctx, client.StartActivityOptions{ID: "a", TaskQueue: taskQueue, StartToCloseTimeout: time.Second}, "run")
	return err
}

func createSchedule(ctx context.Context, c client.Client) error {
	_, err := c.ScheduleClient().Create(ctx, client.ScheduleOptions{ID: "s", Action: &client.ScheduleWorkflowAction{Workflow: "ToolCall", TaskQueue: taskQueue}})
	return err
}

func noVotes() []enumspb.ResetReapplyExcludeType {
	return []enumspb.ResetReapplyExcludeType{enumspb.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL, enumspb.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE}
}

func resetWith(exclude []enumspb.ResetReapplyExcludeType) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		_, err := c.ResetWorkflowExecution(ctx, &workflowservice.ResetWorkflowExecutionRequest{
			Namespace: "default", WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: "call-2"},
			WorkflowTaskFinishEventId: 4, Reason: "x", RequestId: "r", ResetReapplyExcludeTypes: exclude,
		})
		return err
	}
}

func completeByID(ctx context.Context, c client.Client) error {
	return c.CompleteActivityByID(ctx, "default", "call-1", "", "7", "forged", nil)
}

func failByID(ctx context.Context, c client.Client) error {
	_, err := c.WorkflowService().RespondActivityTaskFailedById(ctx, &workflowservice.RespondActivityTaskFailedByIdRequest{Namespace: "default", WorkflowId: "call-1", ActivityId: "7"})
	return err
}

func cancelByID(ctx context.Context, c client.Client) error {
	_, err := c.WorkflowService().RespondActivityTaskCanceledById(ctx, &workflowservice.RespondActivityTaskCanceledByIdRequest{Namespace: "default", WorkflowId: "call-1", ActivityId: "7"})
	return err
}

func heartbeatByID(ctx context.Context, c client.Client) error {
	_, err := c.WorkflowService().RecordActivityTaskHeartbeatById(ctx, &workflowservice.RecordActivityTaskHeartbeatByIdRequest{Namespace: "default", WorkflowId: "call-1", ActivityId: "7"})
	return err
}

// completeActivity completes a task that the server gave to no worker, with a
// made-up token.
func completeActivity(ctx context.Context, c client.Client) error {
	_, err := c.WorkflowService().RespondActivityTaskCompleted(ctx, &workflowservice.RespondActivityTaskCompletedRequest{Namespace: "default", TaskToken: []byte("x")})
	return err
}

func completeTask(commands ...*commandpb.Command) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		_, err := c.WorkflowService().RespondWorkflowTaskCompleted(ctx, &workflowservice.RespondWorkflowTaskCompletedRequest{
			Namespace: "default", TaskToken: []byte("x"), Commands: commands,
		})
		return err
	}
}

func child() *commandpb.Command {
	return &commandpb.Command{
		CommandType: enumspb.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION,
		Attributes: &commandpb.Command_StartChildWorkflowExecutionCommandAttributes{
			StartChildWorkflowExecutionCommandAttributes: &commandpb.StartChildWorkflowExecutionCommandAttributes{WorkflowId: "call-9", WorkflowType: &commonpb.WorkflowType{Name: "ToolCall"}},
		},
	}
}

func signalOther() *commandpb.Command {
	return &commandpb.Command{
		CommandType: enumspb.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION,
		Attributes: &commandpb.Command_SignalExternalWorkflowExecutionCommandAttributes{
			SignalExternalWorkflowExecutionCommandAttributes: &commandpb.SignalExternalWorkflowExecutionCommandAttributes{
				Execution: &commonpb.WorkflowExecution{WorkflowId: "call-1"}, SignalName: "approve",
			},
		},
	}
}

// pollActivities asks for a task and doesn't wait until there is one.
func pollActivities(queue string) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		ctx, cancel := context.WithTimeout(ctx, pollPatience)
		defer cancel()
		_, err := c.WorkflowService().PollActivityTaskQueue(ctx, &workflowservice.PollActivityTaskQueueRequest{
			Namespace: "default", TaskQueue: &taskqueuepb.TaskQueue{Name: queue}, Identity: "x",
		})
		return err
	}
}

func pollTasks(queue string) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		ctx, cancel := context.WithTimeout(ctx, pollPatience)
		defer cancel()
		_, err := c.WorkflowService().PollWorkflowTaskQueue(ctx, &workflowservice.PollWorkflowTaskQueueRequest{
			Namespace: "default", TaskQueue: &taskqueuepb.TaskQueue{Name: queue}, Identity: "x",
		})
		return err
	}
}

func startWithOptions(o client.StartWorkflowOptions) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		_, err := c.ExecuteWorkflow(ctx, o, "ToolCall")
		return err
	}
}

func signalSystem(ctx context.Context, c client.Client) error {
	return c.SignalWorkflow(ctx, "temporal-sys-scheduler:x", "", "approve", "yes")
}

func voteOnNothing(ctx context.Context, c client.Client) error {
	_, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{WorkflowID: "call-2", UpdateName: "vote", WaitForStage: client.WorkflowUpdateStageCompleted})
	return err
}

func cancel(ctx context.Context, c client.Client) error { return c.CancelWorkflow(ctx, "call-2", "") }

func terminate(id string) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error { return c.TerminateWorkflow(ctx, id, "", "x") }
}

func deleteCall(ctx context.Context, c client.Client) error {
	_, err := c.WorkflowService().DeleteWorkflowExecution(ctx, &workflowservice.DeleteWorkflowExecutionRequest{
		Namespace: "default", WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: "call-1"},
	})
	return err
}

func pauseCall(ctx context.Context, c client.Client) error {
	_, err := c.WorkflowService().PauseWorkflowExecution(ctx, &workflowservice.PauseWorkflowExecutionRequest{Namespace: "default", WorkflowId: "call-1"})
	return err
}

func stopActivity(ctx context.Context, c client.Client) error {
	_, err := c.WorkflowService().TerminateActivityExecution(ctx, &workflowservice.TerminateActivityExecutionRequest{Namespace: "default", ActivityId: "a"})
	return err
}

func isDenied(err error) bool {
	_, ok := errors.AsType[*serviceerror.PermissionDenied](err)
	return ok
}
