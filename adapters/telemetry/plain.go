package telemetry

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// plainExporter exports spans without texts that callers choose or that errors
// say: instrumentation puts these where it likes, and there is one way out.
type plainExporter struct{ sdktrace.SpanExporter }

func (e plainExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	out := make([]sdktrace.ReadOnlySpan, len(spans))
	for i, s := range spans {
		out[i] = plainSpan{s}
	}
	return e.SpanExporter.ExportSpans(ctx, out)
}

type plainSpan struct{ sdktrace.ReadOnlySpan }

// Status has a description only where that is a code.
func (s plainSpan) Status() sdktrace.Status {
	status := s.ReadOnlySpan.Status()
	if !isCode(status.Description) {
		status.Description = ""
	}
	return status
}

func (s plainSpan) Attributes() []attribute.KeyValue {
	return plainAttributes(s.ReadOnlySpan.Attributes())
}

// SpanContext leaves out the tracestate, which a caller fills.
func (s plainSpan) SpanContext() trace.SpanContext {
	return s.ReadOnlySpan.SpanContext().WithTraceState(trace.TraceState{})
}

// Parent leaves it out too.
func (s plainSpan) Parent() trace.SpanContext {
	return s.ReadOnlySpan.Parent().WithTraceState(trace.TraceState{})
}

func (s plainSpan) Events() []sdktrace.Event {
	events := slices.Clone(s.ReadOnlySpan.Events())
	for i := range events {
		events[i].Attributes = plainAttributes(events[i].Attributes)
	}
	return events
}

// plainAttributes leaves out what the client of a request chose, and messages of
// errors.
func plainAttributes(all []attribute.KeyValue) []attribute.KeyValue {
	return slices.DeleteFunc(slices.Clone(all), func(a attribute.KeyValue) bool {
		switch a.Key {
		case "server.address", "url.path", "url.query", "url.full", "user_agent.original", "http.request.method_original", "exception.message", "exception.stacktrace":
			return true
		}
		return false
	})
}

// isCode reports whether a text has the form of a code.
func isCode(s string) bool {
	if len(s) > maxLabel {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}
