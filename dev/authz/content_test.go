package authz_test

import (
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	updatepb "go.temporal.io/api/update/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/dev/authz"
)

func TestContent(t *testing.T) {
	type (
		startRequest = workflowservice.StartWorkflowExecutionRequest
		resetRequest = workflowservice.ResetWorkflowExecutionRequest
	)
	toolCall := &commonpb.WorkflowType{Name: "ToolCall"}
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

		"Start":           {"a call", authz.Gateway, "StartWorkflowExecution", &startRequest{WorkflowType: toolCall}, ""},
		"StartEager":      {"with its first task", authz.Gateway, "StartWorkflowExecution", &startRequest{WorkflowType: toolCall, RequestEagerExecution: true}, ""},
		"StartOther":      {"the server has workflows of its own", authz.Gateway, "StartWorkflowExecution", &startRequest{WorkflowType: &commonpb.WorkflowType{Name: "temporal-sys-batch-workflow"}}, "workflow_type"},
		"StartNone":       {"no type at all", authz.Gateway, "StartWorkflowExecution", &startRequest{}, "workflow_type"},
		"StartTerminates": {"would end a call that runs", authz.Gateway, "StartWorkflowExecution", &startRequest{WorkflowType: toolCall, WorkflowIdConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING}, "terminates"},
		"StartReuse":      {"would end a call that runs", authz.Gateway, "StartWorkflowExecution", &startRequest{WorkflowType: toolCall, WorkflowIdReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING}, "terminates"}, //nolint:staticcheck // deprecated, and still obeyed by servers
		"StartCron":       {"would run for ever", authz.Gateway, "StartWorkflowExecution", &startRequest{WorkflowType: toolCall, CronSchedule: "* * * * *"}, "cron"},
		"StartCallbacks":  {"would make the server send requests", authz.Gateway, "StartWorkflowExecution", &startRequest{WorkflowType: toolCall, CompletionCallbacks: []*commonpb.Callback{{}}}, "callbacks"},
		"StartVersion":    {"would choose its code", authz.Gateway, "StartWorkflowExecution", &startRequest{WorkflowType: toolCall, VersioningOverride: &workflowpb.VersioningOverride{}}, "versioning"},
		"StartByWorker":   {"workers take tasks only", authz.Worker, "StartWorkflowExecution", &startRequest{WorkflowType: toolCall}, "role"},
		"StartUnread":     {"what can't be read can't be allowed", authz.Gateway, "StartWorkflowExecution", nil, "unreadable"},

		"Vote":         {"a vote", authz.Gateway, "UpdateWorkflowExecution", updateRequest("vote"), ""},
		"UpdateOther":  {"updates are code paths of the workflow", authz.Gateway, "UpdateWorkflowExecution", updateRequest("decide"), "update"},
		"UpdateNone":   {"no name", authz.Gateway, "UpdateWorkflowExecution", &workflowservice.UpdateWorkflowExecutionRequest{}, "update"},
		"UpdateUnread": {"what can't be read can't be allowed", authz.Gateway, "UpdateWorkflowExecution", nil, "unreadable"},
		"VoteByBob":    {"people vote by the API, which attests it, or by signal", authz.Approver, "UpdateWorkflowExecution", updateRequest("vote"), "role"},

		"Reset":         {"without votes", authz.Operator, "ResetWorkflowExecution", &resetRequest{ResetReapplyExcludeTypes: noVotes}, ""},
		"ResetDefault":  {"would replay signals and updates", authz.Operator, "ResetWorkflowExecution", &resetRequest{}, "reapply"},
		"ResetSignals":  {"would replay signals", authz.Operator, "ResetWorkflowExecution", &resetRequest{ResetReapplyExcludeTypes: noVotes[1:]}, "reapply"},
		"ResetUpdates":  {"would replay updates", authz.Operator, "ResetWorkflowExecution", &resetRequest{ResetReapplyExcludeTypes: noVotes[:1]}, "reapply"},
		"ResetAfter":    {"would signal after the reset", authz.Operator, "ResetWorkflowExecution", &resetRequest{ResetReapplyExcludeTypes: noVotes, PostResetOperations: []*workflowpb.PostResetOperation{{}}}, "post_reset"},
		"ResetApprover": {"approvers only approve", authz.Approver, "ResetWorkflowExecution", &resetRequest{ResetReapplyExcludeTypes: noVotes}, "role"},
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

func signalRequest(name string) *workflowservice.SignalWorkflowExecutionRequest {
	return &workflowservice.SignalWorkflowExecutionRequest{SignalName: name, Identity: "alice"}
}

func updateRequest(name string) *workflowservice.UpdateWorkflowExecutionRequest {
	return &workflowservice.UpdateWorkflowExecutionRequest{Request: &updatepb.Request{Input: &updatepb.Input{Name: name}}}
}
