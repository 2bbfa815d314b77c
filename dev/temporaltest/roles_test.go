package temporaltest_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchpb "go.temporal.io/api/batch/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/sallyport/sallyport/dev/authz"
	"github.com/sallyport/sallyport/dev/temporaltest"
)

// TestApproval walks a call through with each role's own client, and looks
// who the server says approved.
func TestApproval(t *testing.T) {
	t.Parallel()
	server := temporaltest.Start(t, temporaltest.Options{})
	var workerLog lockedBuffer
	workerOptions := server.Service(authz.Worker)
	workerOptions.Logger = sdklog.NewStructuredLogger(slog.New(slog.NewTextHandler(&workerLog, nil)))
	work(t, server, workerOptions)
	gateway := gatewayClient(t, server)

	call := submit(t, gateway, "call-1")
	vote(t, gateway, "call-1")
	bobs := server.Person("bob")
	bobs.Identity = "alice" // what a client claims
	if err := server.Dial(t, bobs).SignalWorkflow(t.Context(), "call-1", "", "approve", "alice says yes"); err != nil {
		t.Fatalf("bob approves: %v", err)
	}
	if got := result(t, call); got != "alice says yes" {
		t.Errorf("result %q", got)
	}

	event := find(t, gateway, "call-1", enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)
	if got := event.GetWorkflowExecutionSignaledEventAttributes().GetIdentity(); got != "alice" {
		t.Errorf("the test wants a forged identity, the event has %q", got)
	}
	if diff := cmp.Diff("jwt/bob", principal(event)); diff != "" {
		t.Errorf("who approved: %s", diff)
	}
	started := find(t, gateway, "call-1", enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED)
	if diff := cmp.Diff("service/gateway", principal(started)); diff != "" {
		t.Errorf("who started: %s", diff)
	}
	if log := workerLog.String(); strings.Contains(log, "unauthorized") {
		t.Errorf("the worker was denied something that it needs:\n%s", log)
	}
}

func vote(t *testing.T, gateway client.Client, id string) {
	t.Helper()
	handle, err := gateway.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateName: "vote", Args: []any{"yes"}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		t.Fatalf("the gateway votes: %v", err)
	}
	var answer string
	if err := handle.Get(t.Context(), &answer); err != nil || answer != "counted yes" {
		t.Errorf("the vote: %q, %v", answer, err)
	}
	if _, err := gateway.QueryWorkflow(t.Context(), id, "", "votes"); err != nil {
		t.Errorf("the gateway queries: %v", err)
	}
}

// TestRoles tries what somebody with a token would try, at the real server.
func TestRoles(t *testing.T) {
	t.Parallel()
	server := temporaltest.Start(t, temporaltest.Options{})
	work(t, server, server.Service(authz.Worker))
	gateway := gatewayClient(t, server)
	submit(t, gateway, "call-1")
	clients := map[string]client.Client{"gateway": gateway, "worker": server.Dial(t, server.Service(authz.Worker))}
	for _, who := range []string{"bob", "olga", "audra", "mallory"} {
		clients[who] = server.Dial(t, server.Person(who))
	}
	clients["nobody"] = server.Dial(t, server.Anonymous()) // connecting needs no token

	for name, test := range map[string]struct {
		try     func(context.Context, client.Client) error
		allowed string // who may
	}{
		"Describe":          {describe, "gateway worker bob olga audra"},
		"List":              {list, "gateway worker bob olga audra"},
		"Query":             {query, "gateway bob olga audra"},
		"SignalApprove":     {signalNamed("approve"), "bob"},
		"SignalOther":       {signalNamed("stop"), ""},
		"SignalWithStart":   {signalWithStart, ""},
		"UpdateWithStart":   {updateWithStart, ""},
		"StartOther":        {startNamed("Other"), ""},
		"StartToolCall":     {startNamed("ToolCall"), "gateway"},
		"Update":            {updateNamed("other"), ""},
		"Batch":             {batchSignal, ""},
		"Activity":          {startActivity, ""},
		"Schedule":          {createSchedule, ""},
		"ResetWithVotes":    {resetWith(nil), ""},
		"ResetWithoutVotes": {resetWith(noVotes()), "olga"},
		"CompleteByID":      {completeByID, ""},
		"Poll":              {pollActivities, "worker"},
		"ListNamespaces":    {listNamespaces, "bob olga audra"},
		"RegisterNamespace": {registerNamespace, ""},
		"SystemNamespace":   {listSystem, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for who, c := range clients {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				err := test.try(ctx, c)
				cancel()
				denied := isDenied(err)
				if allowed := strings.Contains(" "+test.allowed+" ", " "+who+" "); allowed == denied {
					t.Errorf("%s: allowed %t, want %t: %v", who, !denied, allowed, err)
				}
			}
		})
	}
}

func TestBadTokens(t *testing.T) {
	t.Parallel()
	server := temporaltest.Start(t, temporaltest.Options{})
	idp := server.Provider()
	foreign := temporaltest.NewProvider(t)
	for name, token := range map[string]string{
		"Garbage":      "x",
		"Expired":      idp.Token(map[string]any{"sub": "bob", "aud": "temporal", "exp": time.Now().Add(-time.Hour).Unix()}),
		"ForUI":        idp.Token(map[string]any{"sub": "bob", "aud": "temporal-ui"}),
		"ForAPI":       idp.Token(map[string]any{"sub": "bob", "aud": "sallyport"}),
		"OtherKey":     foreign.Token(map[string]any{"iss": idp.URL(), "sub": "bob", "aud": "temporal"}),
		"OtherIssuer":  foreign.AccessToken("bob"),
		"SelfService":  idp.Token(map[string]any{"iss": "urn:sallyport:services", "sub": "gateway", "aud": "urn:sallyport:temporal"}),
		"WithoutName":  idp.Token(map[string]any{"aud": "temporal"}),
		"NamedService": idp.AccessToken("gateway"),
	} {
		t.Run(name, func(t *testing.T) {
			options := server.Anonymous()
			options.HeadersProvider = authz.TokenSource(func(context.Context) (string, error) { return token, nil })
			c, err := client.NewLazyClient(options)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := list(t.Context(), c); !isDenied(err) {
				t.Errorf("came in: %v", err)
			}
		})
	}
	if err := list(t.Context(), server.Dial(t, server.Person("bob"))); err != nil {
		t.Errorf("a good token: %v", err)
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	server := temporaltest.Start(t, temporaltest.Options{Open: true})
	if err := startNamed("Other")(t.Context(), server.Dial(t, server.Anonymous())); err != nil {
		t.Errorf("a server without authorization: %v", err)
	}
}

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
		_, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: "call-3", TaskQueue: "nobody-listens"}, name)
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

// pollActivities asks for a task and doesn't wait until there is one.
func pollActivities(ctx context.Context, c client.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	_, err := c.WorkflowService().PollActivityTaskQueue(ctx, &workflowservice.PollActivityTaskQueueRequest{
		Namespace: "default", TaskQueue: nil, Identity: "x",
	})
	return err
}

func isDenied(err error) bool {
	_, ok := errors.AsType[*serviceerror.PermissionDenied](err)
	return ok
}

// find returns the first event of a type in a call's history.
func find(t *testing.T, c client.Client, id string, typ enumspb.EventType) *historypb.HistoryEvent {
	t.Helper()
	events := c.GetWorkflowHistory(t.Context(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		if event.GetEventType() == typ {
			return event
		}
	}
	t.Fatalf("call %s has no event %s", id, typ)
	return nil
}

func principal(e *historypb.HistoryEvent) string {
	return e.GetPrincipal().GetType() + "/" + e.GetPrincipal().GetName()
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
