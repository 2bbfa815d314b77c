package authz_test

import (
	"testing"

	commandpb "go.temporal.io/api/command/v1"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/temporal-server/authz"
	"github.com/sallyport/sallyport/workflows/wire"
)

// TestCommands tries every command that a workflow can give: a stolen worker
// answers whatever it likes.
func TestCommands(t *testing.T) {
	calls := &taskqueuepb.TaskQueue{Name: wire.TaskQueue}
	other := &taskqueuepb.TaskQueue{Name: "temporal-sys-per-ns-tq"}
	activity := func(q *taskqueuepb.TaskQueue) *commandpb.Command {
		return &commandpb.Command{Attributes: &commandpb.Command_ScheduleActivityTaskCommandAttributes{
			ScheduleActivityTaskCommandAttributes: &commandpb.ScheduleActivityTaskCommandAttributes{TaskQueue: q},
		}}
	}
	for name, test := range map[string]struct {
		reason  string
		command *commandpb.Command
		code    string
	}{
		"Activity":       {"plans and runs", activity(calls), ""},
		"ActivityQueue":  {"no worker of the gateway polls it", activity(other), "task_queue"},
		"ActivityNone":   {"the server would choose", activity(nil), "task_queue"},
		"CancelActivity": {"a call that is cancelled", &commandpb.Command{Attributes: &commandpb.Command_RequestCancelActivityTaskCommandAttributes{}}, ""},
		"Timer":          {"deadlines", &commandpb.Command{Attributes: &commandpb.Command_StartTimerCommandAttributes{}}, ""},
		"CancelTimer":    {"deadlines", &commandpb.Command{Attributes: &commandpb.Command_CancelTimerCommandAttributes{}}, ""},
		"Marker":         {"local activities", &commandpb.Command{Attributes: &commandpb.Command_RecordMarkerCommandAttributes{}}, ""},
		"Attributes":     {"states", &commandpb.Command{Attributes: &commandpb.Command_UpsertWorkflowSearchAttributesCommandAttributes{}}, ""},
		"Properties":     {"memos", &commandpb.Command{Attributes: &commandpb.Command_ModifyWorkflowPropertiesCommandAttributes{}}, ""},
		"Message":        {"answers to votes", &commandpb.Command{Attributes: &commandpb.Command_ProtocolMessageCommandAttributes{}}, ""},
		"Complete":       {"an end", &commandpb.Command{Attributes: &commandpb.Command_CompleteWorkflowExecutionCommandAttributes{}}, ""},
		"Fail":           {"an end", &commandpb.Command{Attributes: &commandpb.Command_FailWorkflowExecutionCommandAttributes{}}, ""},
		"Cancel":         {"an end", &commandpb.Command{Attributes: &commandpb.Command_CancelWorkflowExecutionCommandAttributes{}}, ""},
		"Child":          {"would start a workflow", &commandpb.Command{Attributes: &commandpb.Command_StartChildWorkflowExecutionCommandAttributes{}}, "command"},
		"SignalOther":    {"would vote on another call", &commandpb.Command{Attributes: &commandpb.Command_SignalExternalWorkflowExecutionCommandAttributes{}}, "command"},
		"CancelOther":    {"would stop another call", &commandpb.Command{Attributes: &commandpb.Command_RequestCancelExternalWorkflowExecutionCommandAttributes{}}, "command"},
		"Continue":       {"would go on as something else", &commandpb.Command{Attributes: &commandpb.Command_ContinueAsNewWorkflowExecutionCommandAttributes{}}, "command"},
		"Nexus":          {"would reach other services", &commandpb.Command{Attributes: &commandpb.Command_ScheduleNexusOperationCommandAttributes{}}, "command"},
		"CancelNexus":    {"would reach other services", &commandpb.Command{Attributes: &commandpb.Command_RequestCancelNexusOperationCommandAttributes{}}, "command"},
		"Nothing":        {"a command of a later server has no attributes that are known here", &commandpb.Command{CommandType: enumspb.CommandType(99)}, "command"},
	} {
		t.Run(name, func(t *testing.T) {
			// Behind one that is allowed, as an attacker would put it.
			request := &workflowservice.RespondWorkflowTaskCompletedRequest{Commands: []*commandpb.Command{activity(calls), test.command}}
			wantCode(t, authz.Worker, "RespondWorkflowTaskCompleted", request, test.code, test.reason)
		})
	}
	got := (&commandpb.Command{}).ProtoReflect().Descriptor().Oneofs().ByName("attributes").Fields().Len()
	if want := 17; got != want {
		t.Errorf("commands have %d kinds of attributes, and %d are in the table: decide about the new ones", got, want)
	}
}

func TestPolling(t *testing.T) {
	queue := func(name, normal string, kind enumspb.TaskQueueKind) *taskqueuepb.TaskQueue {
		return &taskqueuepb.TaskQueue{Name: name, NormalName: normal, Kind: kind}
	}
	for name, test := range map[string]struct {
		reason string
		queue  *taskqueuepb.TaskQueue
		code   string
	}{
		"Calls":       {"a worker's own", queue(wire.TaskQueue, "", enumspb.TASK_QUEUE_KIND_NORMAL), ""},
		"Sticky":      {"a worker's very own", queue("host:1234", wire.TaskQueue, enumspb.TASK_QUEUE_KIND_STICKY), ""},
		"StickyOther": {"another queue's", queue("host:1234", "temporal-sys-per-ns-tq", enumspb.TASK_QUEUE_KIND_STICKY), "task_queue"},
		"Disguised":   {"a normal queue has no other name", queue("temporal-sys-per-ns-tq", wire.TaskQueue, enumspb.TASK_QUEUE_KIND_NORMAL), "task_queue"},
		"System":      {"workflows there act on others", queue("temporal-sys-per-ns-tq", "", enumspb.TASK_QUEUE_KIND_NORMAL), "task_queue"},
		"None":        {"no queue", nil, "task_queue"},
	} {
		t.Run(name, func(t *testing.T) {
			wantCode(t, authz.Worker, "PollWorkflowTaskQueue", &workflowservice.PollWorkflowTaskQueueRequest{TaskQueue: test.queue}, test.code, test.reason)
			wantCode(t, authz.Worker, "PollActivityTaskQueue", &workflowservice.PollActivityTaskQueueRequest{TaskQueue: test.queue}, test.code, test.reason)
		})
	}
	measured, err := authz.NewPolicy("default", "bare")
	if err != nil {
		t.Fatal(err)
	}
	call := authz.Call{Method: service + "PollActivityTaskQueue", Namespace: "default", Request: &workflowservice.PollActivityTaskQueueRequest{TaskQueue: queue("bare", "", 0)}}
	if err := measured.Check(&authz.Caller{Role: authz.Worker}, call); err != nil {
		t.Errorf("a queue that the policy was given: %v", err)
	}
}

func wantCode(t *testing.T, role authz.Role, method string, request any, code, reason string) {
	t.Helper()
	err := newPolicy(t).Check(&authz.Caller{Kind: authz.Service, Role: role}, authz.Call{Method: service + method, Namespace: "default", Request: request})
	if got := sallyport.CodeOf(err); got != code {
		t.Errorf("%s: code %q, want %q (%s): %v", method, got, code, reason, err)
	}
}
