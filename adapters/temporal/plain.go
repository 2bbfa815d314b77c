package temporal

import (
	"context"
	"errors"
	"log/slog"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/activities"
)

// The SDK traces and logs the errors of steps. Their messages quote agents, tools
// and plans, so that spans and logs get their codes.

// NewTracing makes the interceptor that traces workflows and activities.
func NewTracing(t trace.Tracer, p propagation.TextMapPropagator) (interceptor.Interceptor, error) {
	return opentelemetry.NewTracingInterceptor(opentelemetry.TracerOptions{
		Tracer:            t,
		TextMapPropagator: p,
		SpanStarter: func(ctx context.Context, t trace.Tracer, name string, o ...trace.SpanStartOption) trace.Span {
			_, span := t.Start(ctx, name, o...)
			return &plainSpan{Span: span}
		},
	})
}

// plainSpan records the codes of errors.
type plainSpan struct {
	trace.Span

	code string // of the last error
}

func (s *plainSpan) RecordError(err error, _ ...trace.EventOption) {
	if err == nil {
		return
	}
	e := activities.Cause(err)
	s.code = e.Code
	s.AddEvent("error", trace.WithAttributes(attribute.String("sallyport.code", e.Code), attribute.String("sallyport.kind", string(e.Kind))))
}

func (s *plainSpan) SetStatus(c codes.Code, _ string) { s.Span.SetStatus(c, s.code) }

// NewLogger is the log of the SDK, in which errors of steps are codes.
func NewLogger(l *slog.Logger) log.Logger { return plainLogger{log.NewStructuredLogger(l)} }

type plainLogger struct{ to log.Logger }

func (l plainLogger) Debug(msg string, keyvals ...any) { l.to.Debug(msg, plain(keyvals)...) }
func (l plainLogger) Info(msg string, keyvals ...any)  { l.to.Info(msg, plain(keyvals)...) }
func (l plainLogger) Warn(msg string, keyvals ...any)  { l.to.Warn(msg, plain(keyvals)...) }
func (l plainLogger) Error(msg string, keyvals ...any) { l.to.Error(msg, plain(keyvals)...) }

// With implements [log.WithLogger].
func (l plainLogger) With(keyvals ...any) log.Logger {
	return plainLogger{log.With(l.to, plain(keyvals)...)}
}

// WithCallerSkip implements [log.WithSkipCallers].
func (l plainLogger) WithCallerSkip(n int) log.Logger { return plainLogger{log.Skip(l.to, n)} }

// quotes reports whether an error's message may quote: a step returned it, and not
// the SDK or the server, and it does not say which dependency is out of reach.
func quotes(err error) bool {
	_, app := errors.AsType[*temporal.ApplicationError](err)
	_, ours := errors.AsType[*sallyport.Error](err)
	return (app || ours) && activities.Cause(err).Kind != sallyport.Unavailable
}

// plain puts codes in the place of errors that may quote.
func plain(keyvals []any) []any {
	out := append([]any(nil), keyvals...)
	for i, v := range out {
		if err, ok := v.(error); ok && quotes(err) {
			out[i] = activities.Cause(err).Code
		}
	}
	return out
}
