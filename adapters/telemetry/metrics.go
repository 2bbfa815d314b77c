package telemetry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport"
)

// Metrics counts calls and times their steps. It is safe for concurrent use.
//
// In Prometheus they are
//
//	agent_tool_calls_total{agent_id, action, resource, result}
//	sallyport_step_duration_seconds{step, error_type}
//	sallyport_notifications_total{kind, result}
//
// Every label is bounded: agents beyond the first 1,000, and for one agent
// pairs of action and resource beyond its first 32, are counted as "other",
// so that no agent can fill the memory of Prometheus with names that don't
// exist, nor spoil another agent's numbers.
type Metrics struct {
	calls  metric.Int64Counter
	steps  metric.Float64Histogram
	notes  metric.Int64Counter
	tracer trace.Tracer
	labels *labels
}

// The results that calls are counted by.
const (
	ResultAllowed = "allowed" // it ran, whatever the tool said then
	ResultDenied  = "denied"  // policy, a freeze or an approver denied it, or approvals were missing in time
	ResultError   = "error"   // malformed, or the gateway could not do its work
)

// NewMetrics makes the gateway's instruments.
func NewMetrics(meters metric.MeterProvider, tracers trace.TracerProvider) (*Metrics, error) {
	if meters == nil || tracers == nil {
		return nil, errors.New("telemetry: metrics need a meter provider and a tracer provider")
	}
	meter := meters.Meter(scope)
	calls, err := meter.Int64Counter("agent.tool.calls",
		metric.WithUnit("{call}"),
		metric.WithDescription("Tool calls of agents, by how they ended."))
	if err != nil {
		return nil, fmt.Errorf("telemetry: agent.tool.calls: %w", err)
	}
	steps, err := meter.Float64Histogram("sallyport.step.duration",
		metric.WithUnit("s"),
		metric.WithDescription("How long the steps of calls take; error_type is absent where they succeed."),
		metric.WithExplicitBucketBoundaries(.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300))
	if err != nil {
		return nil, fmt.Errorf("telemetry: sallyport.step.duration: %w", err)
	}
	notes, err := meter.Int64Counter("sallyport.notifications",
		metric.WithUnit("{attempt}"),
		metric.WithDescription("Attempts to notify of calls that wait for people, by how they ended."))
	if err != nil {
		return nil, fmt.Errorf("telemetry: sallyport.notifications: %w", err)
	}
	return &Metrics{calls: calls, steps: steps, notes: notes, tracer: tracers.Tracer(scope), labels: newLabels()}, nil
}

// Call counts a call that has ended in state. The intent of a call that was
// never made precise is empty but for its agent.
func (m *Metrics) Call(ctx context.Context, i sallyport.Intent, state sallyport.State) {
	agent, action, resource := m.labels.call(i.Agent.ID, i.Action, i.Resource)
	m.calls.Add(ctx, 1, metric.WithAttributes(
		attribute.String("agent_id", agent),
		attribute.String("action", action),
		attribute.String("resource", resource),
		attribute.String("result", Result(state)),
	))
}

// Result is what a call that ended in state is counted as.
func Result(state sallyport.State) string {
	switch state {
	case sallyport.StateSucceeded, sallyport.StateFailed:
		return ResultAllowed
	case sallyport.StateDenied, sallyport.StateRejected, sallyport.StateExpired:
		return ResultDenied
	case sallyport.StatePending, sallyport.StateAwaitingApproval, sallyport.StateRunning,
		sallyport.StateAmbiguous, sallyport.StateInvalid, sallyport.StateCancelled:
		return ResultError
	default:
		return ResultError
	}
}

// Step records how long one step of a call (validate, decide, plan, …) took
// and how it ended. Only an error's kind is kept here, and its code in a
// span: its message may quote what agents and targets wrote.
func (m *Metrics) Step(ctx context.Context, step string, took time.Duration, err error) {
	attrs := []attribute.KeyValue{attribute.String("step", m.labels.step(step))}
	if err != nil {
		kind, _ := classify(err)
		attrs = append(attrs, semconv.ErrorTypeKey.String(kind))
	}
	m.steps.Record(ctx, took.Seconds(), metric.WithAttributes(attrs...))
}

// Begin opens a span for one step, for work that nothing else traces. The
// step works in the context that is returned and, when it has ended, calls
// the function with its error, which also does what [Metrics.Step] does.
func (m *Metrics) Begin(ctx context.Context, step string) (context.Context, func(error)) {
	ctx, span := m.tracer.Start(ctx, m.labels.step(step))
	began := time.Now()
	return ctx, func(err error) {
		m.Step(ctx, step, time.Since(began), err)
		if err != nil {
			_, code := classify(err)
			span.SetAttributes(semconv.ErrorTypeKey.String(code))
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// Notification counts an attempt to deliver a notification, by its result:
// delivered, failed (it is tried again), refused or dropped.
func (m *Metrics) Notification(ctx context.Context, kind sallyport.NotificationKind, result string) {
	m.notes.Add(ctx, 1, metric.WithAttributes(
		attribute.String("kind", plain(string(kind))),
		attribute.String("result", plain(result)),
	))
}

// classify names an error twice: by its kind, of which there are few enough
// for a label, and by its code, for the span.
func classify(err error) (kind, code string) {
	e, ok := errors.AsType[*sallyport.Error](err)
	switch {
	case ok && e.Code != "":
		return string(e.Kind), e.Code
	case ok:
		return string(e.Kind), string(e.Kind)
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout", "timeout"
	case errors.Is(err, context.Canceled):
		return "cancelled", "cancelled"
	default:
		return string(sallyport.Internal), string(sallyport.Internal)
	}
}
