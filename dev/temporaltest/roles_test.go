package temporaltest_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/sallyport/sallyport/dev/temporaltest"
	"github.com/sallyport/sallyport/temporal-server/authz"
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
	bobs.HeadersProvider = forged{bobs.HeadersProvider}
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

// forged adds the headers by which the server's own parts tell each other who
// is behind a request.
type forged struct {
	honest interface {
		GetHeaders(ctx context.Context) (map[string]string, error)
	}
}

func (f forged) GetHeaders(ctx context.Context) (map[string]string, error) {
	headers, err := f.honest.GetHeaders(ctx)
	if err == nil {
		headers["temporal-principal-type"], headers["temporal-principal-name"] = "jwt", "alice"
	}
	return headers, err
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

// TestRoles tries the requests of an attacker with a token at the real server.
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
	clients["anonymous"] = server.Dial(t, server.Anonymous()) // connecting needs no token

	for name, test := range map[string]struct {
		try     func(context.Context, client.Client) error
		allowed string // who may
	}{
		"Describe":           {describe, "gateway worker bob olga audra"},
		"List":               {list, "gateway worker bob olga audra"},
		"Query":              {query, "gateway bob olga audra"},
		"SignalApprove":      {signalNamed("approve"), "bob"},
		"SignalOther":        {signalNamed("stop"), ""},
		"SignalSystem":       {signalSystem, ""},
		"SignalWithStart":    {signalWithStart, ""},
		"UpdateWithStart":    {updateWithStart, ""},
		"StartOther":         {startNamed("Other"), ""},
		"StartToolCall":      {startNamed("ToolCall"), "gateway"},
		"StartOtherID":       {startWithOptions(client.StartWorkflowOptions{ID: "mine", TaskQueue: taskQueue}), ""},
		"StartOtherQueue":    {startWithOptions(client.StartWorkflowOptions{ID: "call-3", TaskQueue: systemQueue}), ""},
		"StartCron":          {startWithOptions(client.StartWorkflowOptions{ID: "call-3", TaskQueue: taskQueue, CronSchedule: "* * * * *"}), ""},
		"StartDelayed":       {startWithOptions(client.StartWorkflowOptions{ID: "call-3", TaskQueue: taskQueue, StartDelay: time.Hour}), ""},
		"StartTerminating":   {startWithOptions(client.StartWorkflowOptions{ID: "call-1", TaskQueue: taskQueue, WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING}), ""},
		"Vote":               {voteOnNothing, "gateway"},
		"Update":             {updateNamed("other"), ""},
		"Cancel":             {cancel, "gateway olga"},
		"Terminate":          {terminate("call-2"), "olga"},
		"TerminateSystem":    {terminate("temporal-sys-scheduler:x"), ""},
		"Delete":             {deleteCall, ""},
		"Pause":              {pauseCall, ""},
		"Batch":              {batchSignal, ""},
		"Activity":           {startActivity, ""},
		"StopActivity":       {stopActivity, ""},
		"Schedule":           {createSchedule, ""},
		"ResetWithVotes":     {resetWith(nil), ""},
		"ResetWithoutVotes":  {resetWith(noVotes()), "olga"},
		"CompleteByID":       {completeByID, ""},
		"FailByID":           {failByID, ""},
		"CancelByID":         {cancelByID, ""},
		"HeartbeatByID":      {heartbeatByID, ""},
		"CompleteActivity":   {completeActivity, "worker"},
		"CompleteTask":       {completeTask(), "worker"},
		"CompleteWithChild":  {completeTask(child()), ""},
		"CompleteSignalling": {completeTask(signalOther()), ""},
		"Poll":               {pollActivities(taskQueue), "worker"},
		"PollTasks":          {pollTasks(taskQueue), "worker"},
		"PollSystem":         {pollActivities(systemQueue), ""},
		"PollSystemTasks":    {pollTasks(systemQueue), ""},
		"ListNamespaces":     {listNamespaces, "bob olga audra"},
		"RegisterNamespace":  {registerNamespace, ""},
		"SystemNamespace":    {listSystem, ""},
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
