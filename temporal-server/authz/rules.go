package authz

import "slices"

const (
	workflowService = "/temporal.api.workflowservice.v1.WorkflowService/"
	operatorService = "/temporal.api.operatorservice.v1.OperatorService/"
)

// list is the rules by method. Other methods and roles are denied.
func (p *Policy) list() map[string]rule {
	var (
		people   = []Role{Reader, Approver, Operator}
		everyone = append(slices.Clone(people), Gateway, Worker)
		list     = map[string]rule{}
	)
	add := func(r rule, methods ...string) {
		for _, m := range methods {
			list[workflowService+m] = r
		}
	}

	add(rule{roles: everyone, cluster: true}, "GetClusterInfo")
	add(rule{roles: people, cluster: true}, "ListNamespaces", "GetSearchAttributes")
	add(rule{roles: everyone},
		"DescribeNamespace", "DescribeWorkflowExecution", "GetWorkflowExecutionHistory",
		"ListWorkflowExecutions", "CountWorkflowExecutions")
	add(rule{roles: append(slices.Clone(people), Gateway)}, "QueryWorkflow")
	add(rule{roles: people}, inspection()...)
	list[operatorService+"ListSearchAttributes"] = rule{roles: people}

	add(rule{roles: []Role{Approver}, content: signal}, "SignalWorkflowExecution")

	add(rule{roles: []Role{Gateway}, content: p.start}, "StartWorkflowExecution")
	add(rule{roles: []Role{Gateway}, content: update}, "UpdateWorkflowExecution")
	add(rule{roles: []Role{Gateway}}, "PollWorkflowExecutionUpdate")

	add(rule{roles: []Role{Gateway, Operator}, content: stop}, "RequestCancelWorkflowExecution")
	add(rule{roles: []Role{Operator}, content: stop}, "TerminateWorkflowExecution")
	add(rule{roles: []Role{Operator}, content: reset}, "ResetWorkflowExecution")

	add(rule{roles: []Role{Worker}, content: p.poll}, "PollWorkflowTaskQueue", "PollActivityTaskQueue")
	add(rule{roles: []Role{Worker}, content: p.progress}, "RespondWorkflowTaskCompleted")
	add(rule{roles: []Role{Worker}}, tasks()...)
	add(rule{roles: append(slices.Clone(people), Worker)},
		"ListWorkerDeployments", "DescribeWorkerDeployment", "DescribeWorkerDeploymentVersion")
	add(rule{roles: []Role{Worker}}, "SetWorkerDeploymentCurrentVersion")
	return list
}

// inspection lists the Web UI's methods, beside those of all roles.
func inspection() []string {
	return []string{
		"GetWorkflowExecutionHistoryReverse",
		"ScanWorkflowExecutions", "ListOpenWorkflowExecutions", "ListClosedWorkflowExecutions",
		"DescribeTaskQueue", "ListTaskQueuePartitions",
		"GetWorkerBuildIdCompatibility", "GetWorkerVersioningRules", "GetWorkerTaskReachability",
		"ListWorkers", "CountWorkers", "DescribeWorker",
		"ListSchedules", "CountSchedules", "ListBatchOperations",
		"ListActivityExecutions", "CountActivityExecutions",
	}
}

// tasks lists the other methods of an SDK worker. Completing an activity by its
// id is not among them: it needs no task token, and ids can be guessed.
func tasks() []string {
	return []string{
		"RespondWorkflowTaskFailed", "RespondQueryTaskCompleted", "ResetStickyTaskQueue", "RecordActivityTaskHeartbeat",
		"RespondActivityTaskCompleted", "RespondActivityTaskFailed", "RespondActivityTaskCanceled",
		"RecordWorkerHeartbeat", "ShutdownWorker",
	}
}
