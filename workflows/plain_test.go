package workflows_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	sdkworker "go.temporal.io/sdk/worker"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/telemetry"
	"github.com/sallyport/sallyport/adapters/temporal"
	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/sallyporttest/workflowstest"
	"github.com/sallyport/sallyport/worker"
	"github.com/sallyport/sallyport/workflows"
	"github.com/sallyport/sallyport/workflows/wire"
)

// observed are the spans and the log of a worker.
type observed struct {
	spans *tracetest.InMemoryExporter

	mu  sync.Mutex
	log bytes.Buffer
}

func (o *observed) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.log.Write(b)
}

// watch is h's environment with the tracing and the logs that a worker has.
func watch(t *testing.T, h *workflowstest.Harness, call sallyport.Call) (*testsuite.TestWorkflowEnvironment, *observed) {
	t.Helper()
	o := &observed{spans: tracetest.NewInMemoryExporter()}
	logger := slog.New(slog.NewJSONHandler(o, &slog.HandlerOptions{Level: slog.LevelInfo, ReplaceAttr: telemetry.Redact}))
	tel, err := telemetry.Start(t.Context(), telemetry.Options{Service: "worker", Logger: logger, Spans: o.spans})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tel.Shutdown(context.Background()) })
	tracing, err := temporal.NewTracing(tel.TracerProvider().Tracer("worker"), tel.Propagator())
	if err != nil {
		t.Fatal(err)
	}
	h.Acts.Logger, h.Acts.Meter = logger, tel.Metrics()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(temporal.NewLogger(logger))
	env := suite.NewTestWorkflowEnvironment()
	env.SetWorkerOptions(sdkworker.Options{Interceptors: []interceptor.WorkerInterceptor{tracing}})
	worker.Register(env, h.Acts)
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: wire.WorkflowID(call.ID), TaskQueue: wire.TaskQueue})
	env.SetTestTimeout(20 * time.Second)
	return env, o
}

// mark stands in all that agents, tools, plans and voters say.
const mark = "quetzalcoatl"

// marked is a harness whose tool and policy say the mark wherever they can.
func marked(t *testing.T) *workflowstest.Harness {
	t.Helper()
	h := workflowstest.New(t, time.Now)
	asks := workflowstest.Asks(1)
	asks.Reasons = []sallyport.Reason{{Code: "odd", Message: mark}}
	h.Policy.Set(asks, nil)
	h.Runner.PlanFunc = func(_ context.Context, i sallyport.Intent) (sallyport.Plan, error) {
		p := sallyporttest.PlanOf(i)
		p.Summary, p.Diff = mark, "+ "+mark
		return p, nil
	}
	return h
}

func failing(format string, args ...any) error {
	e := sallyport.Errorf(sallyport.Invalid, "odd", format, args...)
	e.Fields = []sallyport.Field{{Pointer: "/" + mark, Detail: mark}}
	return e
}

// TestNoWordsInSpansAndLogs takes calls through all their steps. What agents,
// tools, plans and voters say stands in no span and in no line of the log; codes
// do.
func TestNoWordsInSpansAndLogs(t *testing.T) {
	for name, tt := range map[string]struct {
		tool   string
		change func(*workflowstest.Harness)
		state  sallyport.State
		code   string
	}{
		"UnknownTool": {mark, func(*workflowstest.Harness) {}, sallyport.StateInvalid, "unknown_tool"},
		"Denied": {"write", func(h *workflowstest.Harness) {
			h.Policy.Set(sallyport.Decision{Effect: sallyport.Deny, Reasons: []sallyport.Reason{{Code: "odd", Message: mark}}}, nil)
		}, sallyport.StateDenied, "odd"},
		"NotPlanned": {"write", func(h *workflowstest.Harness) {
			h.Runner.PlanFunc = func(context.Context, sallyport.Intent) (sallyport.Plan, error) {
				return sallyport.Plan{}, failing("no %s", mark)
			}
		}, sallyport.StateInvalid, "odd"},
		"Drifted": {"write", func(h *workflowstest.Harness) {
			planned, plan := 0, h.Runner.PlanFunc
			h.Runner.PlanFunc = func(ctx context.Context, i sallyport.Intent) (sallyport.Plan, error) {
				p, err := plan(ctx, i)
				planned++
				p.Diff += fmt.Sprint(" ", mark, planned)
				return p, err
			}
		}, sallyport.StateDenied, "drift"},
		"NotRun": {"write", func(h *workflowstest.Harness) {
			h.Runner.RunFunc = func(context.Context, sallyport.Permit) (sallyport.Outcome, error) {
				return sallyport.Outcome{}, failing("no %s", mark)
			}
		}, sallyport.StateFailed, "odd"},
		"Failed": {"write", func(h *workflowstest.Harness) {
			h.Runner.RunFunc = func(_ context.Context, p sallyport.Permit) (sallyport.Outcome, error) {
				h.Runner.Act(p)
				out := sallyporttest.OutcomeOf(p, sallyport.StateFailed)
				out.Result, out.Error = json.RawMessage(`"`+mark+`"`), &sallyport.Failure{Code: "odd", Message: mark}
				return out, nil
			}
		}, sallyport.StateFailed, "odd"},
	} {
		t.Run(name, func(t *testing.T) {
			h := marked(t)
			tt.change(h)
			call, _ := h.Call("unheard_of")
			call.ID, call.Tool, call.Arguments = sallyport.CallID([16]byte{9}), tt.tool, json.RawMessage(`{"replicas":5,"why":"`+mark+`"}`)
			call.Stated = sallyport.Stated{Reason: mark, Session: mark, Task: mark}
			signed, err := h.Signer.SignCall(call)
			if err != nil {
				t.Fatal(err)
			}
			h.Record(sallyport.Entry{CallID: call.ID, Kind: sallyport.EntryReceived, At: call.ReceivedAt, Call: &call, Signed: signed})
			env, o := watch(t, h, call)
			env.RegisterDelayedCallback(func() {
				if h.Read(call.ID).Ballot != nil {
					env.UpdateWorkflow(wire.VoteUpdate, "bob", &updateResult{t, ""}, h.Attest(call.ID, "bob", sallyport.Approve))
				}
			}, time.Second)
			env.ExecuteWorkflow(workflows.ToolCall, signed)
			h.WantEnd(call.ID, tt.state, tt.code)
			spans := o.spans.GetSpans()
			if len(spans) < 3 {
				t.Fatalf("there are %d spans", len(spans))
			}
			for _, s := range spans {
				if said := fmt.Sprintf("%+v", s); strings.Contains(said, mark) {
					t.Errorf("the span %s says %q, %+v", s.Name, s.Status.Description, s.Events)
				}
			}
			if strings.Contains(o.log.String(), mark) {
				t.Errorf("the log says\n%s", o.log.String())
			}
		})
	}
}

// TestNoSecretsInErrors: an error that says which dependency is out of reach, or
// whose code a tool makes, quotes no redacted argument in spans and in the log.
func TestNoSecretsInErrors(t *testing.T) {
	const secret = "hunter2_confidential"
	h, call, signed := secretiveWith(t, time.Now, secret)
	h.Policy.Set(workflowstest.Asks(1), nil)
	attempts := 0
	h.Runner.PlanFunc = func(context.Context, sallyport.Intent) (sallyport.Plan, error) {
		attempts++
		if attempts == 1 {
			return sallyport.Plan{}, sallyport.Errorf(sallyport.Unavailable, "odd", "no customer: %w", errors.New(secret))
		}
		return sallyport.Plan{}, sallyport.Errorf(sallyport.Invalid, secret, "no %s", secret)
	}
	env, o := watch(t, h, call)
	env.ExecuteWorkflow(workflows.ToolCall, signed)
	h.WantEnd(call.ID, sallyport.StateInvalid, sallyport.RedactedMark)
	if attempts < 2 {
		t.Errorf("the tool planned %d times", attempts)
	}
	for _, s := range o.spans.GetSpans() {
		if said := fmt.Sprintf("%+v", s); strings.Contains(said, secret) {
			t.Errorf("the span %s says %q, %+v", s.Name, s.Status.Description, s.Events)
		}
	}
	if strings.Contains(o.log.String(), secret) {
		t.Errorf("the log says\n%s", o.log.String())
	}
	if err := env.GetWorkflowError(); err != nil && strings.Contains(fmt.Sprintf("%+v", err), secret) {
		t.Errorf("the workflow ends with %v", err)
	}
}
