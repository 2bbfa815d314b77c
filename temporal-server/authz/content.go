package authz

import (
	"slices"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
)

// What a tool call's workflow is called, and how it is reached.
const (
	workflowType     = "ToolCall"
	workflowIDPrefix = "call-"
	taskQueue        = "sallyport"
	signalName       = "approve"
	updateName       = "vote"
)

// execution names a workflow.
type execution interface{ GetWorkflowId() string }

// ofCall denies requests about workflows that are no calls: the server has some
// of its own in the namespace.
func ofCall(w execution) error {
	if !strings.HasPrefix(w.GetWorkflowId(), workflowIDPrefix) {
		return deny("workflow_id", "the only workflows are those of calls, whose ids begin with %q", workflowIDPrefix)
	}
	return nil
}

// signal permits an approver to signal "approve". The vote counts for the
// principal that the server writes into the event, not for the identity that the
// client states.
func signal(request any) error {
	r, ok := request.(*workflowservice.SignalWorkflowExecutionRequest)
	if !ok {
		return unreadable(request)
	}
	if r.GetSignalName() != signalName {
		return deny("signal", "the only signal is %q", signalName)
	}
	if err := ofCall(r.GetWorkflowExecution()); err != nil {
		return err
	}
	return only(r, "namespace", "workflow_execution", "signal_name", "input", "identity", "request_id")
}

// start permits the gateway to start a tool call, without options that would end
// another call, or repeat, delay or call back. It permits no summary and no details
// for people (user_metadata): they would stand beside what the worker shows of the
// call that it verified, and the API could write there whatever it likes.
func (p *Policy) start(request any) error {
	r, ok := request.(*workflowservice.StartWorkflowExecutionRequest)
	switch {
	case !ok:
		return unreadable(request)
	case r.GetWorkflowType().GetName() != workflowType:
		return deny("workflow_type", "the only workflow to start is %q", workflowType)
	case r.GetWorkflowIdReusePolicy() == enumspb.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING, //nolint:staticcheck // deprecated, and still obeyed by servers
		r.GetWorkflowIdConflictPolicy() == enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING:
		return deny("terminates", "a start must not terminate a call that runs")
	}
	if err := ofCall(r); err != nil {
		return err
	}
	if err := p.queue(r.GetTaskQueue()); err != nil {
		return err
	}
	return only(r, "namespace", "workflow_id", "workflow_type", "task_queue", "input", "workflow_task_timeout", "identity", "request_id",
		"workflow_id_reuse_policy", "workflow_id_conflict_policy", "memo", "search_attributes", "header", "request_eager_execution")
}

// update permits the gateway to send a vote.
func update(request any) error {
	r, ok := request.(*workflowservice.UpdateWorkflowExecutionRequest)
	if !ok {
		return unreadable(request)
	}
	if r.GetRequest().GetInput().GetName() != updateName {
		return deny("update", "the only update is %q", updateName)
	}
	if err := ofCall(r.GetWorkflowExecution()); err != nil {
		return err
	}
	if err := only(r, "namespace", "workflow_execution", "first_execution_run_id", "wait_policy", "request"); err != nil {
		return err
	}
	return only(r.GetRequest(), "meta", "input", "request_id")
}

// stop permits calls to be cancelled and terminated.
func stop(request any) error {
	switch r := request.(type) {
	case *workflowservice.RequestCancelWorkflowExecutionRequest:
		return ofCall(r.GetWorkflowExecution())
	case *workflowservice.TerminateWorkflowExecutionRequest:
		return ofCall(r.GetWorkflowExecution())
	default:
		return unreadable(request)
	}
}

// reset permits an operator to reset a call to a point of its history, but not
// to carry votes over: neither by reapplying signals and updates that came after
// that point, nor by adding new ones.
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
	if err := ofCall(r.GetWorkflowExecution()); err != nil {
		return err
	}
	return only(r, "namespace", "workflow_execution", "reason", "workflow_task_finish_event_id", "request_id",
		"reset_reapply_type", "reset_reapply_exclude_types", "identity")
}

func unreadable(request any) error {
	return deny("unreadable", "the rules can't read a request of type %T", request)
}
