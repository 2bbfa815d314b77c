package authz_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/temporal-server/authz"
	"github.com/sallyport/sallyport/workflows/wire"
)

const (
	service  = "/temporal.api.workflowservice.v1.WorkflowService/"
	operator = "/temporal.api.operatorservice.v1.OperatorService/"
)

var (
	everybody = []authz.Role{authz.Reader, authz.Approver, authz.Operator, authz.Gateway, authz.Worker}
	people    = []authz.Role{authz.Reader, authz.Approver, authz.Operator}
)

// expectation is who may call a method, with the request that is most likely
// to be allowed.
type expectation struct {
	roles  []authz.Role
	reason string
}

// workflowServiceExpectations has a line for every method that the service
// has. It is written out by hand so that it says what we mean, not what the
// policy does.
func workflowServiceExpectations() map[string]expectation {
	only := func(reason string, roles ...authz.Role) expectation {
		return expectation{roles: roles, reason: reason}
	}
	denied := func(reason string) expectation { return expectation{reason: reason} }
	all := only("clients and workers need it", everybody...)
	inspect := only("the Web UI shows it", people...)
	task := only("taking and answering tasks is what workers do", authz.Worker)
	byID := denied("an id can be guessed, a task token can't")
	schedule := denied("schedules start workflows")
	batch := denied("batches change many workflows at once")
	activity := denied("an activity runs only in a workflow, untouched")
	nexus := denied("nexus operations reach other services")
	versioning := denied("where workers run is not decided here")
	rule := denied("workflow rules act on workflows")
	namespace := denied("there is one namespace, made at start")

	return map[string]expectation{
		"GetSystemInfo":  only("asked before a client says who it is", append(slices.Clone(everybody), authz.None)...),
		"GetClusterInfo": all,

		"ListNamespaces": inspect, "GetSearchAttributes": inspect,
		"DescribeNamespace": all, "DescribeWorkflowExecution": all, "GetWorkflowExecutionHistory": all,
		"ListWorkflowExecutions": all, "CountWorkflowExecutions": all,
		"GetWorkflowExecutionHistoryReverse": inspect, "ScanWorkflowExecutions": inspect,
		"ListOpenWorkflowExecutions": inspect, "ListClosedWorkflowExecutions": inspect,
		"DescribeTaskQueue": inspect, "ListTaskQueuePartitions": inspect,
		"GetWorkerBuildIdCompatibility": inspect, "GetWorkerVersioningRules": inspect, "GetWorkerTaskReachability": inspect,
		"ListWorkers": inspect, "CountWorkers": inspect, "DescribeWorker": inspect,
		"ListSchedules": inspect, "CountSchedules": inspect, "ListBatchOperations": inspect,
		"ListActivityExecutions": inspect, "CountActivityExecutions": inspect,
		"QueryWorkflow": only("the UI shows details by it", authz.Reader, authz.Approver, authz.Operator, authz.Gateway),

		"SignalWorkflowExecution":     only("approvers approve", authz.Approver),
		"StartWorkflowExecution":      only("the gateway starts calls", authz.Gateway),
		"UpdateWorkflowExecution":     only("the gateway hands in votes", authz.Gateway),
		"PollWorkflowExecutionUpdate": only("and learns what became of them", authz.Gateway),

		"RequestCancelWorkflowExecution": only("by the API, or by hand", authz.Gateway, authz.Operator),
		"TerminateWorkflowExecution":     only("an emergency", authz.Operator),
		"ResetWorkflowExecution":         only("without votes", authz.Operator),

		"PollWorkflowTaskQueue": task, "RespondWorkflowTaskCompleted": task, "RespondWorkflowTaskFailed": task,
		"RespondQueryTaskCompleted": task, "ResetStickyTaskQueue": task,
		"PollActivityTaskQueue": task, "RecordActivityTaskHeartbeat": task,
		"RespondActivityTaskCompleted": task, "RespondActivityTaskFailed": task, "RespondActivityTaskCanceled": task,
		"RecordWorkerHeartbeat": task, "ShutdownWorker": task,
		"RecordActivityTaskHeartbeatById": byID, "RespondActivityTaskCompletedById": byID,
		"RespondActivityTaskFailedById": byID, "RespondActivityTaskCanceledById": byID,

		"ListWorkerDeployments":             only("shown, and looked up by workers", authz.Reader, authz.Approver, authz.Operator, authz.Worker),
		"DescribeWorkerDeployment":          only("shown, and looked up by workers", authz.Reader, authz.Approver, authz.Operator, authz.Worker),
		"DescribeWorkerDeploymentVersion":   only("shown, and looked up by workers", authz.Reader, authz.Approver, authz.Operator, authz.Worker),
		"SetWorkerDeploymentCurrentVersion": only("a new worker makes itself current", authz.Worker),
		"SetWorkerDeploymentRampingVersion": versioning, "SetWorkerDeploymentManager": versioning,
		"CreateWorkerDeployment": versioning, "CreateWorkerDeploymentVersion": versioning,
		"DeleteWorkerDeployment": versioning, "DeleteWorkerDeploymentVersion": versioning,
		"UpdateWorkerDeploymentVersionComputeConfig":   versioning,
		"ValidateWorkerDeploymentVersionComputeConfig": versioning,
		"UpdateWorkerDeploymentVersionMetadata":        versioning,
		"DescribeDeployment":                           versioning, "ListDeployments": versioning, "GetDeploymentReachability": versioning,
		"GetCurrentDeployment": versioning, "SetCurrentDeployment": versioning,
		"UpdateWorkerBuildIdCompatibility": versioning, "UpdateWorkerVersioningRules": versioning,
		"UpdateTaskQueueConfig": versioning, "FetchWorkerConfig": versioning, "UpdateWorkerConfig": versioning,

		"SignalWithStartWorkflowExecution":  denied("a start and a signal in one"),
		"ExecuteMultiOperation":             denied("any operations in one"),
		"UpdateWorkflowExecutionOptions":    denied("moves a call to another worker"),
		"DeleteWorkflowExecution":           denied("what happened stays"),
		"ListArchivedWorkflowExecutions":    denied("there is no archive"),
		"PauseWorkflowExecution":            denied("freezes stop calls"),
		"UnpauseWorkflowExecution":          denied("freezes stop calls"),
		"PollWorkflowExecutionTimeSkipping": denied("time is not skipped"),

		"RegisterNamespace": namespace, "UpdateNamespace": namespace, "DeprecateNamespace": namespace,
		"CreateSchedule": schedule, "DescribeSchedule": schedule, "UpdateSchedule": schedule,
		"PatchSchedule": schedule, "DeleteSchedule": schedule, "ListScheduleMatchingTimes": schedule,
		"StartBatchOperation": batch, "StopBatchOperation": batch, "DescribeBatchOperation": batch,
		"CreateWorkflowRule": rule, "DescribeWorkflowRule": rule, "DeleteWorkflowRule": rule,
		"ListWorkflowRules": rule, "TriggerWorkflowRule": rule,
		"StartActivityExecution": activity, "DescribeActivityExecution": activity, "PollActivityExecution": activity,
		"RequestCancelActivityExecution": activity, "TerminateActivityExecution": activity, "DeleteActivityExecution": activity,
		"PauseActivity": activity, "UnpauseActivity": activity, "ResetActivity": activity, "UpdateActivityOptions": activity,
		"PauseActivityExecution": activity, "UnpauseActivityExecution": activity, "ResetActivityExecution": activity,
		"UpdateActivityExecutionOptions": activity,
		"StartNexusOperationExecution":   nexus, "DescribeNexusOperationExecution": nexus, "PollNexusOperationExecution": nexus,
		"RequestCancelNexusOperationExecution": nexus, "TerminateNexusOperationExecution": nexus, "DeleteNexusOperationExecution": nexus,
		"ListNexusOperationExecutions": nexus, "CountNexusOperationExecutions": nexus,
		"PollNexusTaskQueue": nexus, "RespondNexusTaskCompleted": nexus, "RespondNexusTaskFailed": nexus,
	}
}

func TestEveryMethodHasAnExpectation(t *testing.T) {
	got := methods(workflowservice.File_temporal_api_workflowservice_v1_service_proto)
	want := slices.Sorted(maps.Keys(workflowServiceExpectations()))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("methods of the service (+) against the table (-): decide who may call the new ones\n%s", diff)
	}
}

func TestWorkflowService(t *testing.T) {
	policy := newPolicy(t)
	for method, want := range workflowServiceExpectations() {
		t.Run(method, func(t *testing.T) {
			for _, role := range append(slices.Clone(everybody), authz.None, "admin", "Approver") {
				call := authz.Call{Method: service + method, Namespace: "default", Request: bestRequest(method)}
				err := policy.Check(&authz.Caller{Kind: authz.Person, Subject: "x", Role: role}, call)
				if allowed, expected := err == nil, slices.Contains(want.roles, role) || method == "GetSystemInfo"; allowed != expected {
					t.Errorf("role %q: allowed %t, want %t (%s): %v", role, allowed, expected, want.reason, err)
				}
				if err != nil && sallyport.KindOf(err) != sallyport.Denied {
					t.Errorf("role %q: a refusal of kind %s", role, sallyport.KindOf(err))
				}
			}
		})
	}
}

// bestRequest is the request that has the best chance.
func bestRequest(method string) any {
	call, queue := &commonpb.WorkflowExecution{WorkflowId: id}, &taskqueuepb.TaskQueue{Name: wire.TaskQueue}
	switch method {
	case "StartWorkflowExecution":
		return &workflowservice.StartWorkflowExecutionRequest{WorkflowId: id, TaskQueue: queue, WorkflowType: &commonpb.WorkflowType{Name: wire.ToolCallName}}
	case "SignalWorkflowExecution":
		return signalRequest(wire.ApproveSignal)
	case "UpdateWorkflowExecution":
		return updateRequest(wire.VoteUpdate)
	case "RequestCancelWorkflowExecution":
		return &workflowservice.RequestCancelWorkflowExecutionRequest{WorkflowExecution: call}
	case "TerminateWorkflowExecution":
		return &workflowservice.TerminateWorkflowExecutionRequest{WorkflowExecution: call}
	case "ResetWorkflowExecution":
		return &workflowservice.ResetWorkflowExecutionRequest{WorkflowExecution: call, ResetReapplyExcludeTypes: []enumspb.ResetReapplyExcludeType{
			enumspb.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL, enumspb.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE,
		}}
	case "PollWorkflowTaskQueue":
		return &workflowservice.PollWorkflowTaskQueueRequest{TaskQueue: queue}
	case "PollActivityTaskQueue":
		return &workflowservice.PollActivityTaskQueueRequest{TaskQueue: queue}
	case "RespondWorkflowTaskCompleted":
		return &workflowservice.RespondWorkflowTaskCompletedRequest{}
	default:
		return nil
	}
}

func TestWithoutAToken(t *testing.T) {
	policy := newPolicy(t)
	for method := range workflowServiceExpectations() {
		err := policy.Check(nil, authz.Call{Method: service + method, Namespace: "default", Request: bestRequest(method)})
		if open := method == "GetSystemInfo"; (err == nil) != open {
			t.Errorf("%s without a token: %v", method, err)
		}
	}
	if err := policy.Check(nil, authz.Call{Method: "/grpc.health.v1.Health/Check"}); err != nil {
		t.Errorf("health without a token: %v", err)
	}
}

func TestOtherServices(t *testing.T) {
	policy := newPolicy(t)
	calls := []string{
		"", "/", "GetSystemInfo", "/GetSystemInfo", "StartWorkflowExecution",
		"/grpc.health.v1.Health/Watch",
		"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
		"/temporal.server.api.adminservice.v1.AdminService/DescribeMutableState",
		"/temporal.server.api.adminservice.v1.AdminService/GetSystemInfo",
		"/temporal.server.api.historyservice.v1.HistoryService/SignalWorkflowExecution",
		"/temporal.api.nexusservice.v1.NexusService/DispatchNexusTask",
		service, service + "NoSuchMethod", service + "getsysteminfo",
	}
	for _, m := range methods(operatorservice.File_temporal_api_operatorservice_v1_service_proto) {
		if m != "ListSearchAttributes" {
			calls = append(calls, operator+m)
		}
	}
	for _, method := range calls {
		for _, role := range everybody {
			if policy.Check(&authz.Caller{Role: role}, authz.Call{Method: method, Namespace: "default"}) == nil {
				t.Errorf("%s was allowed to %s", method, role)
			}
		}
	}
	list := authz.Call{Method: operator + "ListSearchAttributes", Namespace: "default"}
	if err := policy.Check(&authz.Caller{Role: authz.Approver}, list); err != nil {
		t.Errorf("the UI lists search attributes: %v", err)
	}
}

func TestOtherNamespaces(t *testing.T) {
	policy := newPolicy(t)
	cluster := []string{"GetSystemInfo", "GetClusterInfo", "ListNamespaces", "GetSearchAttributes"}
	for method, want := range workflowServiceExpectations() {
		if slices.Contains(cluster, method) {
			continue
		}
		for _, role := range want.roles {
			for _, namespace := range []string{"", "temporal-system", "Default"} {
				call := authz.Call{Method: service + method, Namespace: namespace, Request: bestRequest(method)}
				if policy.Check(&authz.Caller{Role: role}, call) == nil {
					t.Errorf("%s in namespace %q was allowed to %s", method, namespace, role)
				}
			}
		}
	}
}

func TestNewPolicyRefusesNoNamespace(t *testing.T) {
	if _, err := authz.NewPolicy(""); err == nil {
		t.Error("a policy without a namespace was made")
	}
}

func newPolicy(t *testing.T) *authz.Policy {
	t.Helper()
	p, err := authz.NewPolicy("default")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// methods of the only service of a file, sorted.
func methods(file protoreflect.FileDescriptor) []string {
	var names []string
	list := file.Services().Get(0).Methods()
	for i := range list.Len() {
		names = append(names, string(list.Get(i).Name()))
	}
	slices.SortFunc(names, strings.Compare)
	return names
}
