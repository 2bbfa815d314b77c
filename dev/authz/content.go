package authz

import (
	"slices"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
)

// What a tool call's workflow is called, and how it is reached.
const (
	workflowType = "ToolCall"
	signalName   = "approve"
	updateName   = "vote"
)

// signal lets an approver signal "approve". Whom the vote counts for is
// taken from the principal that the server writes beside it, whatever the
// request claims.
func signal(request any) error {
	r, ok := request.(*workflowservice.SignalWorkflowExecutionRequest)
	if !ok {
		return unreadable(request)
	}
	if r.GetSignalName() != signalName {
		return deny("signal", "the only signal is %q", signalName)
	}
	return nil
}

// start lets the gateway start a tool call, and nothing that would end,
// repeat or call back.
func start(request any) error {
	r, ok := request.(*workflowservice.StartWorkflowExecutionRequest)
	switch {
	case !ok:
		return unreadable(request)
	case r.GetWorkflowType().GetName() != workflowType:
		return deny("workflow_type", "the only workflow to start is %q", workflowType)
	case r.GetWorkflowIdReusePolicy() == enumspb.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING, //nolint:staticcheck // deprecated, and still obeyed by servers
		r.GetWorkflowIdConflictPolicy() == enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING:
		return deny("terminates", "a start must not terminate a call that runs")
	case r.GetCronSchedule() != "":
		return deny("cron", "a call runs once, not on a schedule")
	case len(r.GetCompletionCallbacks()) > 0:
		return deny("callbacks", "a call has no completion callbacks")
	case r.GetVersioningOverride() != nil:
		return deny("versioning", "a start must not choose the worker's version")
	}
	return nil
}

// update lets the gateway hand in a vote.
func update(request any) error {
	r, ok := request.(*workflowservice.UpdateWorkflowExecutionRequest)
	if !ok {
		return unreadable(request)
	}
	if r.GetRequest().GetInput().GetName() != updateName {
		return deny("update", "the only update is %q", updateName)
	}
	return nil
}

// reset lets an operator run a call again from a point of its history, but
// carry no vote over: neither by replaying signals and updates that came
// after that point, nor by sending new ones along.
func reset(request any) error {
	r, ok := request.(*workflowservice.ResetWorkflowExecutionRequest)
	if !ok {
		return unreadable(request)
	}
	exclude := r.GetResetReapplyExcludeTypes()
	if !slices.Contains(exclude, enumspb.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL) ||
		!slices.Contains(exclude, enumspb.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE) {
		return deny("reapply", "a reset must exclude signals and updates from being reapplied: votes don't carry over")
	}
	if len(r.GetPostResetOperations()) > 0 {
		return deny("post_reset", "a reset must not have operations after it")
	}
	return nil
}

func unreadable(request any) error {
	return deny("unreadable", "a request of type %T can't be judged", request)
}
