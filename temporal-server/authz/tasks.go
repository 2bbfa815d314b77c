package authz

import (
	"slices"

	commandpb "go.temporal.io/api/command/v1"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
)

// queue denies other task queues than those of calls. The server has queues of
// its own in the namespace, for workflows that act on others.
func (p *Policy) queue(q *taskqueuepb.TaskQueue) error {
	name := q.GetName()
	if q.GetKind() == enumspb.TASK_QUEUE_KIND_STICKY { // of one worker, beside the normal one
		name = q.GetNormalName()
	}
	if !slices.Contains(p.queues, name) {
		return deny("task_queue", "the only task queue is %q", taskQueue)
	}
	return nil
}

// poll permits workers to poll for the tasks of calls.
func (p *Policy) poll(request any) error {
	switch r := request.(type) {
	case *workflowservice.PollWorkflowTaskQueueRequest:
		return p.queue(r.GetTaskQueue())
	case *workflowservice.PollActivityTaskQueueRequest:
		return p.queue(r.GetTaskQueue())
	default:
		return unreadable(request)
	}
}

// progress permits the commands of a call's workflow: run activities, set
// timers, record markers, respond to votes and end. It may start no workflow,
// signal none, and not continue as new.
func (p *Policy) progress(request any) error {
	r, ok := request.(*workflowservice.RespondWorkflowTaskCompletedRequest)
	if !ok {
		return unreadable(request)
	}
	for _, c := range r.GetCommands() {
		if err := p.command(c); err != nil {
			return err
		}
	}
	return nil
}

func (p *Policy) command(c *commandpb.Command) error {
	switch a := c.GetAttributes().(type) {
	case *commandpb.Command_ScheduleActivityTaskCommandAttributes:
		return p.queue(a.ScheduleActivityTaskCommandAttributes.GetTaskQueue())
	case *commandpb.Command_RequestCancelActivityTaskCommandAttributes,
		*commandpb.Command_StartTimerCommandAttributes, *commandpb.Command_CancelTimerCommandAttributes,
		*commandpb.Command_RecordMarkerCommandAttributes, *commandpb.Command_UpsertWorkflowSearchAttributesCommandAttributes,
		*commandpb.Command_ModifyWorkflowPropertiesCommandAttributes, *commandpb.Command_ProtocolMessageCommandAttributes,
		*commandpb.Command_CompleteWorkflowExecutionCommandAttributes, *commandpb.Command_CancelWorkflowExecutionCommandAttributes,
		*commandpb.Command_FailWorkflowExecutionCommandAttributes:
		return nil
	default:
		return deny("command", "%s is not a command of a call's workflow", c.GetCommandType())
	}
}
