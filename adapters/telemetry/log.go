package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"go.opentelemetry.io/otel/trace"
)

// LogOptions say how logs are written.
type LogOptions struct {
	Format string       // "json", or "text"; "" is json
	Level  slog.Leveler // nil is info
}

// LogConfig is about a program's own log, on standard error.
type LogConfig struct {
	Level  string `yaml:"level"`  // debug, info, warn, error
	Format string `yaml:"format"` // text, json
}

// Logger makes the program's log.
func (c LogConfig) Logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return nil, fmt.Errorf("level %q is not debug, info, warn or error", c.Level)
	}
	return NewLogger(w, LogOptions{Level: level, Format: c.Format})
}

// NewLogger writes logs to w. Records name the trace and span of their
// context, and values that look like secrets are replaced (see [Redact]).
func NewLogger(w io.Writer, opts LogOptions) (*slog.Logger, error) {
	handler := &slog.HandlerOptions{Level: opts.Level, ReplaceAttr: Redact}
	switch opts.Format {
	case "", "json":
		return slog.New(TraceHandler(slog.NewJSONHandler(w, handler))), nil
	case "text":
		return slog.New(TraceHandler(slog.NewTextHandler(w, handler))), nil
	default:
		return nil, fmt.Errorf("telemetry: the log format is %q; use json or text", opts.Format)
	}
}

// TraceHandler adds trace_id and span_id of the context's span to each
// record, at the top even where the logger has groups open. The id of a call
// is not taken from a context: the caller that logs adds it as an attribute
// call_id.
func TraceHandler(h slog.Handler) slog.Handler {
	return &traceHandler{root: h, open: h}
}

type traceHandler struct {
	root    slog.Handler                      // before the first group was opened
	open    slog.Handler                      // root with pending applied
	pending []func(slog.Handler) slog.Handler // from the first group on
}

func (h *traceHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.open.Enabled(ctx, level)
}

func (h *traceHandler) Handle(ctx context.Context, r slog.Record) error {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		return h.open.Handle(ctx, r)
	}
	ids := []slog.Attr{slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String())}
	if len(h.pending) == 0 {
		r = r.Clone()
		r.AddAttrs(ids...)
		return h.root.Handle(ctx, r)
	}
	out := h.root.WithAttrs(ids)
	for _, apply := range h.pending {
		out = apply(out)
	}
	return out.Handle(ctx, r)
}

func (h *traceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(h.pending) == 0 {
		root := h.root.WithAttrs(attrs)
		return &traceHandler{root: root, open: root}
	}
	return h.with(func(inner slog.Handler) slog.Handler { return inner.WithAttrs(attrs) })
}

func (h *traceHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.with(func(inner slog.Handler) slog.Handler { return inner.WithGroup(name) })
}

func (h *traceHandler) with(apply func(slog.Handler) slog.Handler) slog.Handler {
	return &traceHandler{root: h.root, open: apply(h.open), pending: append(slices.Clip(h.pending), apply)}
}
