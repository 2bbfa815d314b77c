package temporaltest_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/sallyport/sallyport/dev/temporaltest"
	"github.com/sallyport/sallyport/temporal-server/authz"
)

// TestKill kills the server with calls under way, twice, and sees each of
// them go on.
func TestKill(t *testing.T) {
	t.Parallel()
	server := temporaltest.Start(t, temporaltest.Options{})
	work(t, server, server.Service(authz.Worker))
	gateway := gatewayClient(t, server)
	waiting := submit(t, gateway, "call-1")
	vote(t, gateway, "call-1") // its first task is done: it waits

	server.Kill(t)
	server.Restart(t)
	fresh := submit(t, gateway, "call-2") // not a moment to get going
	server.Kill(t)
	server.Restart(t)

	bob := server.Dial(t, server.Person("bob"))
	for i, call := range []client.WorkflowRun{waiting, fresh} {
		if err := bob.SignalWorkflow(t.Context(), call.GetID(), "", "approve", fmt.Sprint(i)); err != nil {
			t.Fatalf("bob approves %s: %v", call.GetID(), err)
		}
		if got := result(t, call); got != fmt.Sprint(i) {
			t.Errorf("%s: result %q", call.GetID(), got)
		}
	}
	if _, err := gateway.QueryWorkflow(t.Context(), "call-1", "", "votes"); err != nil {
		t.Errorf("the vote of before: %v", err)
	}
}

func TestStopAndStart(t *testing.T) {
	t.Parallel()
	server := temporaltest.Start(t, temporaltest.Options{})
	addr := server.FrontendAddr()
	gateway := gatewayClient(t, server)
	submit(t, gateway, "call-1")
	server.Stop(t)
	server.Restart(t)
	if got := server.FrontendAddr(); got != addr {
		t.Errorf("it was at %s and is at %s", addr, got)
	}
	if _, err := gateway.DescribeWorkflowExecution(t.Context(), "call-1", ""); err != nil {
		t.Errorf("the call of before: %v", err)
	}
}

func TestSearchAttributes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	state, replicas := temporal.NewSearchAttributeKeyKeyword("CallState"), temporal.NewSearchAttributeKeyInt64("Replicas")
	first := temporaltest.Start(t, temporaltest.Options{Dir: dir, SearchAttributes: map[string]enumspb.IndexedValueType{
		"CallState": enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	}})
	startWith(t, first, "call-1", state.ValueSet("waiting"))
	first.Stop(t)

	second := temporaltest.Start(t, temporaltest.Options{Dir: dir, SearchAttributes: map[string]enumspb.IndexedValueType{
		"CallState": enumspb.INDEXED_VALUE_TYPE_KEYWORD, "Replicas": enumspb.INDEXED_VALUE_TYPE_INT,
	}})
	startWith(t, second, "call-2", state.ValueSet("waiting"), replicas.ValueSet(5)) // usable at once
	awaitCount(t, second, "CallState = 'waiting'", 2)
	awaitCount(t, second, "Replicas = 5", 1)
	second.Stop(t)

	changed := temporaltest.New(t, temporaltest.Options{Dir: dir, SearchAttributes: map[string]enumspb.IndexedValueType{
		"CallState": enumspb.INDEXED_VALUE_TYPE_INT,
	}})
	wantError(t, changed.Run(), "search attribute CallState is Keyword in the database and can't become Int")

	tooMany := map[string]enumspb.IndexedValueType{}
	for i := range 50 {
		tooMany[fmt.Sprintf("Extra%d", i)] = enumspb.INDEXED_VALUE_TYPE_KEYWORD
	}
	wantError(t, temporaltest.New(t, temporaltest.Options{Dir: dir, SearchAttributes: tooMany}).Run(), "no column of type Keyword is left")
}

func startWith(t *testing.T, server *temporaltest.Instance, id string, attributes ...temporal.SearchAttributeUpdate) {
	t.Helper()
	_, err := gatewayClient(t, server).ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: id, TaskQueue: taskQueue, TypedSearchAttributes: temporal.NewSearchAttributes(attributes...),
	}, "ToolCall")
	if err != nil {
		t.Fatal(err)
	}
}

// awaitCount waits until a query finds so many: visibility is written a
// moment after the workflow.
func awaitCount(t *testing.T, server *temporaltest.Instance, query string, want int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := gatewayClient(t, server)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		res, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: query})
		if err != nil {
			t.Fatalf("count %s: %v", query, err)
		}
		if res.GetCount() == want {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s finds %d, want %d", query, res.GetCount(), want)
		}
	}
}

func TestOneServerPerDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := temporaltest.Start(t, temporaltest.Options{Dir: dir})
	wantError(t, temporaltest.New(t, temporaltest.Options{Dir: dir}).Run(), "another Temporal server runs on")
	server.Kill(t)
	temporaltest.Start(t, temporaltest.Options{Dir: dir})
}

func TestTakenPort(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	server := temporaltest.Start(t, temporaltest.Options{FrontendAddr: taken.Addr().String()})
	if server.FrontendAddr() == taken.Addr().String() {
		t.Errorf("it says that it listens at %s, which another listener has taken", taken.Addr())
	}
	if err := list(t.Context(), server.Dial(t, server.Person("bob"))); err != nil {
		t.Error(err)
	}
}

func TestLoopbackOnly(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", "192.0.2.1:7233", "localhost:0", ":0", "7233"} {
		wantError(t, temporaltest.New(t, temporaltest.Options{FrontendAddr: addr}).Run(), "address")
	}
}

func wantError(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, want one that says %q", err, text)
	}
}
