package authz_test

import (
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	sdkpb "go.temporal.io/api/sdk/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	updatepb "go.temporal.io/api/update/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/temporal-server/authz"
	"github.com/sallyport/sallyport/workflows/wire"
)

// id is a call's workflow id.
var id = wire.WorkflowID("aaaaaaaaaaaaaaaaaaaaaaaaaa")

func TestContent(t *testing.T) {
	type (
		startRequest = workflowservice.StartWorkflowExecutionRequest
		resetRequest = workflowservice.ResetWorkflowExecutionRequest
		signal       = workflowservice.SignalWorkflowExecutionRequest
		vote         = workflowservice.UpdateWorkflowExecutionRequest
	)
	toolCall := &commonpb.WorkflowType{Name: "ToolCall"}
	call := &commonpb.WorkflowExecution{WorkflowId: id}
	queue := &taskqueuepb.TaskQueue{Name: wire.TaskQueue}
	starts := func(change func(*startRequest)) *startRequest {
		r := &startRequest{WorkflowId: id, TaskQueue: queue, WorkflowType: toolCall}
		change(r)
		return r
	}
	signals := func(change func(*signal)) *signal {
		r := signalRequest("approve")
		change(r)
		return r
	}
	updates := func(change func(*vote)) *vote {
		r := updateRequest("vote")
		change(r)
		return r
	}
	system := &commonpb.WorkflowExecution{WorkflowId: "temporal-sys-worker-deployment:x"}
	noVotes := []enumspb.ResetReapplyExcludeType{enumspb.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL, enumspb.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE}

	for name, test := range map[string]struct {
		reason  string
		role    authz.Role
		method  string
		request any
		code    string // of the refusal; empty where it is allowed
	}{
		"SignalApprove":    {"an approval", authz.Approver, "SignalWorkflowExecution", signalRequest("approve"), ""},
		"SignalOther":      {"signals are code paths of the workflow", authz.Approver, "SignalWorkflowExecution", signalRequest("cancel"), "signal"},
		"SignalCase":       {"names are exact", authz.Approver, "SignalWorkflowExecution", signalRequest("Approve"), "signal"},
		"SignalNone":       {"an empty name is no name", authz.Approver, "SignalWorkflowExecution", signalRequest(""), "signal"},
		"SignalByGateway":  {"the gateway is no person", authz.Gateway, "SignalWorkflowExecution", signalRequest("approve"), "role"},
		"SignalByOperator": {"operators don't approve", authz.Operator, "SignalWorkflowExecution", signalRequest("approve"), "role"},
		"SignalUnread":     {"what can't be read can't be allowed", authz.Approver, "SignalWorkflowExecution", nil, "unreadable"},
		"SignalOtherType":  {"another method's request", authz.Approver, "SignalWorkflowExecution", &workflowservice.SignalWithStartWorkflowExecutionRequest{SignalName: "approve"}, "unreadable"},

		"Start":           {"a call", authz.Gateway, "StartWorkflowExecution", &startRequest{WorkflowId: id, TaskQueue: queue, WorkflowType: toolCall}, ""},
		"StartEager":      {"with its first task", authz.Gateway, "StartWorkflowExecution", &startRequest{WorkflowId: id, TaskQueue: queue, WorkflowType: toolCall, RequestEagerExecution: true}, ""},
		"StartOther":      {"the server has workflows of its own", authz.Gateway, "StartWorkflowExecution", &startRequest{WorkflowType: &commonpb.WorkflowType{Name: "temporal-sys-batch-workflow"}}, "workflow_type"},
		"StartNone":       {"no type at all", authz.Gateway, "StartWorkflowExecution", &startRequest{}, "workflow_type"},
		"StartTerminates": {"would end a call that runs", authz.Gateway, "StartWorkflowExecution", &startRequest{WorkflowId: id, TaskQueue: queue, WorkflowType: toolCall, WorkflowIdConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING}, "terminates"},
		"StartReuse":      {"would end a call that runs", authz.Gateway, "StartWorkflowExecution", &startRequest{WorkflowId: id, TaskQueue: queue, WorkflowType: toolCall, WorkflowIdReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING}, "terminates"}, //nolint:staticcheck // deprecated, and still obeyed by servers
		"StartCron":       {"would run for ever", authz.Gateway, "StartWorkflowExecution", &startRequest{WorkflowId: id, TaskQueue: queue, WorkflowType: toolCall, CronSchedule: "* * * * *"}, "field"},
		"StartCallbacks":  {"would make the server send requests", authz.Gateway, "StartWorkflowExecution", &startRequest{WorkflowId: id, TaskQueue: queue, WorkflowType: toolCall, CompletionCallbacks: []*commonpb.Callback{{}}}, "field"},
		"StartVersion":    {"would choose its code", authz.Gateway, "StartWorkflowExecution", &startRequest{WorkflowId: id, TaskQueue: queue, WorkflowType: toolCall, VersioningOverride: &workflowpb.VersioningOverride{Override: &workflowpb.VersioningOverride_AutoUpgrade{AutoUpgrade: true}}}, "field"},
		"StartOtherID":    {"ids are those of calls", authz.Gateway, "StartWorkflowExecution", starts(func(r *startRequest) { r.WorkflowId = "mine" }), "workflow_id"},
		"StartNoID":       {"ids are those of calls", authz.Gateway, "StartWorkflowExecution", starts(func(r *startRequest) { r.WorkflowId = "" }), "workflow_id"},
		"StartQueue":      {"no worker of the gateway polls it", authz.Gateway, "StartWorkflowExecution", starts(func(r *startRequest) { r.TaskQueue = &taskqueuepb.TaskQueue{Name: "temporal-sys-per-ns-tq"} }), "task_queue"},
		"StartSticky": {"a sticky queue is one worker's", authz.Gateway, "StartWorkflowExecution", starts(func(r *startRequest) {
			r.TaskQueue = &taskqueuepb.TaskQueue{Name: wire.TaskQueue, Kind: enumspb.TASK_QUEUE_KIND_STICKY}
		}), "task_queue"},
		"StartDelayed":   {"would start at another time than the call was made", authz.Gateway, "StartWorkflowExecution", starts(func(r *startRequest) { r.WorkflowStartDelay = durationpb.New(time.Hour) }), "field"},
		"StartTimeout":   {"would end a call that waits", authz.Gateway, "StartWorkflowExecution", starts(func(r *startRequest) { r.WorkflowRunTimeout = durationpb.New(time.Second) }), "field"},
		"StartNoTimeout": {"what the SDK sends", authz.Gateway, "StartWorkflowExecution", starts(func(r *startRequest) { r.WorkflowRunTimeout = durationpb.New(0) }), ""},
		"StartDetails":   {"would show people another call than the worker verified", authz.Gateway, "StartWorkflowExecution", starts(func(r *startRequest) { r.UserMetadata = &sdkpb.UserMetadata{Details: &commonpb.Payload{}} }), "field"},
		"StartRetry":     {"would run again", authz.Gateway, "StartWorkflowExecution", starts(func(r *startRequest) { r.RetryPolicy = &commonpb.RetryPolicy{MaximumAttempts: 3} }), "field"},
		"StartLinks":     {"would refer to others", authz.Gateway, "StartWorkflowExecution", starts(func(r *startRequest) { r.Links = []*commonpb.Link{{}} }), "field"},
		"StartConflict":  {"would attach to a call that runs", authz.Gateway, "StartWorkflowExecution", starts(func(r *startRequest) { r.OnConflictOptions = &workflowpb.OnConflictOptions{AttachLinks: true} }), "field"},
		"StartContinued": {"would pretend to an earlier run", authz.Gateway, "StartWorkflowExecution", starts(func(r *startRequest) { r.LastCompletionResult = &commonpb.Payloads{Payloads: []*commonpb.Payload{{}}} }), "field"},
		"StartSkipping":  {"time is not skipped", authz.Gateway, "StartWorkflowExecution", starts(func(r *startRequest) { r.TimeSkippingConfig = &commonpb.TimeSkippingConfig{Enabled: true} }), "field"},
		"StartUnknown":   {"a later server knows what it means", authz.Gateway, "StartWorkflowExecution", starts(func(r *startRequest) { r.ProtoReflect().SetUnknown(unknown(9999)) }), "field"},
		"StartByWorker":  {"workers take tasks only", authz.Worker, "StartWorkflowExecution", &startRequest{WorkflowId: id, TaskQueue: queue, WorkflowType: toolCall}, "role"},
		"StartUnread":    {"what can't be read can't be allowed", authz.Gateway, "StartWorkflowExecution", nil, "unreadable"},

		"SignalSystem":  {"the server has workflows of its own", authz.Approver, "SignalWorkflowExecution", signals(func(r *signal) { r.WorkflowExecution = system }), "workflow_id"},
		"SignalNoID":    {"no workflow at all", authz.Approver, "SignalWorkflowExecution", signals(func(r *signal) { r.WorkflowExecution = nil }), "workflow_id"},
		"SignalLinks":   {"would refer to others", authz.Approver, "SignalWorkflowExecution", signals(func(r *signal) { r.Links = []*commonpb.Link{{}} }), "field"},
		"SignalControl": {"no workflow reads it", authz.Approver, "SignalWorkflowExecution", signals(func(r *signal) { r.Control = "x" }), "field"}, //nolint:staticcheck // deprecated, and still stored by servers
		"SignalHeader":  {"interceptors would read it", authz.Approver, "SignalWorkflowExecution", signals(func(r *signal) { r.Header = &commonpb.Header{Fields: map[string]*commonpb.Payload{"x": {}}} }), "field"},
		"SignalUnknown": {"once a field that left out the workflow task", authz.Approver, "SignalWorkflowExecution", signals(func(r *signal) { r.ProtoReflect().SetUnknown(unknown(9)) }), "field"},

		"UpdateSystem":    {"the server has workflows of its own", authz.Gateway, "UpdateWorkflowExecution", updates(func(r *vote) { r.WorkflowExecution = system }), "workflow_id"},
		"UpdateCallbacks": {"would make the server send requests", authz.Gateway, "UpdateWorkflowExecution", updates(func(r *vote) { r.Request.CompletionCallbacks = []*commonpb.Callback{{}} }), "field"},

		"Cancel":          {"by the API", authz.Gateway, "RequestCancelWorkflowExecution", &workflowservice.RequestCancelWorkflowExecutionRequest{WorkflowExecution: call}, ""},
		"CancelSystem":    {"the server has workflows of its own", authz.Gateway, "RequestCancelWorkflowExecution", &workflowservice.RequestCancelWorkflowExecutionRequest{WorkflowExecution: system}, "workflow_id"},
		"Terminate":       {"an emergency", authz.Operator, "TerminateWorkflowExecution", &workflowservice.TerminateWorkflowExecutionRequest{WorkflowExecution: call}, ""},
		"TerminateSystem": {"the server has workflows of its own", authz.Operator, "TerminateWorkflowExecution", &workflowservice.TerminateWorkflowExecutionRequest{WorkflowExecution: system}, "workflow_id"},
		"TerminateUnread": {"what can't be read can't be allowed", authz.Operator, "TerminateWorkflowExecution", nil, "unreadable"},
		"ResetSystem":     {"the server has workflows of its own", authz.Operator, "ResetWorkflowExecution", &resetRequest{WorkflowExecution: system, ResetReapplyExcludeTypes: noVotes}, "workflow_id"},

		"Vote":         {"a vote", authz.Gateway, "UpdateWorkflowExecution", updateRequest("vote"), ""},
		"UpdateOther":  {"updates are code paths of the workflow", authz.Gateway, "UpdateWorkflowExecution", updateRequest("decide"), "update"},
		"UpdateNone":   {"no name", authz.Gateway, "UpdateWorkflowExecution", &workflowservice.UpdateWorkflowExecutionRequest{}, "update"},
		"UpdateUnread": {"what can't be read can't be allowed", authz.Gateway, "UpdateWorkflowExecution", nil, "unreadable"},
		"VoteByBob":    {"people vote by the API, which attests it, or by signal", authz.Approver, "UpdateWorkflowExecution", updateRequest("vote"), "role"},

		"Reset":         {"without votes", authz.Operator, "ResetWorkflowExecution", &resetRequest{WorkflowExecution: call, ResetReapplyExcludeTypes: noVotes}, ""},
		"ResetDefault":  {"would replay signals and updates", authz.Operator, "ResetWorkflowExecution", &resetRequest{WorkflowExecution: call}, "reapply"},
		"ResetSignals":  {"would replay signals", authz.Operator, "ResetWorkflowExecution", &resetRequest{WorkflowExecution: call, ResetReapplyExcludeTypes: noVotes[1:]}, "reapply"},
		"ResetUpdates":  {"would replay updates", authz.Operator, "ResetWorkflowExecution", &resetRequest{WorkflowExecution: call, ResetReapplyExcludeTypes: noVotes[:1]}, "reapply"},
		"ResetAfter":    {"would signal after the reset", authz.Operator, "ResetWorkflowExecution", &resetRequest{WorkflowExecution: call, ResetReapplyExcludeTypes: noVotes, PostResetOperations: []*workflowpb.PostResetOperation{{}}}, "field"},
		"ResetApprover": {"approvers only approve", authz.Approver, "ResetWorkflowExecution", &resetRequest{WorkflowExecution: call, ResetReapplyExcludeTypes: noVotes}, "role"},
		"ResetUnread":   {"what can't be read can't be allowed", authz.Operator, "ResetWorkflowExecution", nil, "unreadable"},
	} {
		t.Run(name, func(t *testing.T) {
			call := authz.Call{Method: service + test.method, Namespace: "default", Request: test.request}
			err := newPolicy(t).Check(&authz.Caller{Kind: authz.Person, Subject: "x", Role: test.role}, call)
			if got := sallyport.CodeOf(err); got != test.code {
				t.Errorf("code %q, want %q (%s): %v", got, test.code, test.reason, err)
			}
		})
	}
}

// unknown is a field that this version of the API does not have.
func unknown(number protowire.Number) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), 1)
}

func signalRequest(name string) *workflowservice.SignalWorkflowExecutionRequest {
	return &workflowservice.SignalWorkflowExecutionRequest{WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id}, SignalName: name, Identity: "alice"}
}

func updateRequest(name string) *workflowservice.UpdateWorkflowExecutionRequest {
	return &workflowservice.UpdateWorkflowExecutionRequest{WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id}, Request: &updatepb.Request{Input: &updatepb.Input{Name: name}}}
}
