// Package telemetry tells operators what the gateway does: one trace per call
// from the agent's traceparent onwards, metrics at /metrics, and logs that
// name the trace they belong to and never hold a secret.
//
// Spans leave the process by OTLP, and only when the standard OTEL_*
// variables ask for it. Without them nothing is sent anywhere, but trace ids
// are still made, propagated and logged. Nothing here is registered
// process-wide except the handler of OpenTelemetry's own errors, which has no
// other form.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// scope names the instrumentation library of our own spans and metrics.
const scope = "github.com/sallyport/sallyport/adapters/telemetry"

// Options say whose telemetry this is. OTEL_SERVICE_NAME and
// OTEL_RESOURCE_ATTRIBUTES override Service and Version.
type Options struct {
	Service string       // service.name, such as "sallyport-api"; required
	Version string       // service.version
	Logger  *slog.Logger // logs spans that can't be sent; required

	// Spans gets every finished span at once, in addition to what the OTEL_*
	// variables ask for. It is for tests and for programs that show spans
	// themselves.
	Spans sdktrace.SpanExporter
}

// Telemetry is a process's tracing and metrics. It is safe for concurrent use.
type Telemetry struct {
	traces     *sdktrace.TracerProvider
	meters     *sdkmetric.MeterProvider
	registry   *prometheus.Registry
	metrics    *Metrics
	propagator propagation.TextMapPropagator
}

// Start sets up tracing and metrics from opts and the OTEL_* variables. An
// error names the variable that can't be obeyed. The caller must call
// [Telemetry.Shutdown], or the last spans are lost.
func Start(ctx context.Context, opts Options) (*Telemetry, error) {
	if opts.Service == "" || opts.Logger == nil {
		return nil, errors.New("telemetry: Options.Service and Options.Logger are required")
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		opts.Logger.WarnContext(ctx, "telemetry could not be delivered", slog.Any("error", err))
	}))
	res, err := describe(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("telemetry: OTEL_RESOURCE_ATTRIBUTES must be key=value,…: %w", err)
	}
	t := &Telemetry{
		registry: prometheus.NewRegistry(),
		// Baggage is deliberately not propagated: it is free text from the
		// caller, and would reach every process behind us.
		propagator: propagation.TraceContext{},
	}
	if err := t.startMetrics(res); err != nil {
		return nil, err
	}
	if err := t.startTraces(ctx, opts, res); err != nil {
		return nil, errors.Join(err, t.meters.Shutdown(ctx))
	}
	if t.metrics, err = NewMetrics(t.meters, t.traces); err != nil {
		return nil, errors.Join(err, t.Shutdown(ctx))
	}
	return t, nil
}

// describe says which process this is. What the environment says comes last
// and so wins.
func describe(ctx context.Context, opts Options) (*resource.Resource, error) {
	return resource.New(ctx,
		resource.WithAttributes(semconv.ServiceName(opts.Service), semconv.ServiceVersion(opts.Version)),
		resource.WithHost(),
		resource.WithTelemetrySDK(),
		resource.WithFromEnv(),
	)
}

func (t *Telemetry) startMetrics(res *resource.Resource) error {
	t.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector(),
	)
	reader, err := otelprometheus.New(otelprometheus.WithRegisterer(t.registry), otelprometheus.WithoutScopeInfo())
	if err != nil {
		return fmt.Errorf("telemetry: metrics: %w", err)
	}
	t.meters = sdkmetric.NewMeterProvider(
		sdkmetric.WithResource(res),
		sdkmetric.WithReader(reader),
		sdkmetric.WithView(httpView()),
		// Our own instruments are bounded by labels, more tightly than this
		// and without losing which label overflowed.
		sdkmetric.WithCardinalityLimit(maxAgents*(maxPairs+1)*results),
	)
	return nil
}

func (t *Telemetry) startTraces(ctx context.Context, opts Options, res *resource.Resource) error {
	exporter, err := exporterFromEnv(ctx)
	if err != nil {
		return err
	}
	provider := []sdktrace.TracerProviderOption{sdktrace.WithResource(res)}
	if exporter != nil {
		provider = append(provider, sdktrace.WithBatcher(plainExporter{exporter}))
	}
	if opts.Spans != nil {
		provider = append(provider, sdktrace.WithSyncer(plainExporter{opts.Spans}))
	}
	if exporter == nil && opts.Spans == nil {
		// No exporter gets the spans, so they are only ids; a traceparent that
		// asks for recording is still passed on as such.
		provider = append(provider, sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample())))
	}
	t.traces = sdktrace.NewTracerProvider(provider...)
	return nil
}

// TracerProvider makes tracers; give it to libraries that trace themselves.
func (t *Telemetry) TracerProvider() trace.TracerProvider { return t.traces }

// MeterProvider makes meters whose metrics appear at /metrics.
func (t *Telemetry) MeterProvider() metric.MeterProvider { return t.meters }

// Propagator reads and writes W3C trace context (traceparent, tracestate).
func (t *Telemetry) Propagator() propagation.TextMapPropagator { return t.propagator }

// Metrics are the gateway's own.
func (t *Telemetry) Metrics() *Metrics { return t.metrics }

// Shutdown sends what is still to be sent, until ctx ends.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	if err := errors.Join(t.traces.Shutdown(ctx), t.meters.Shutdown(ctx)); err != nil {
		return fmt.Errorf("telemetry: shutdown: %w", err)
	}
	return nil
}
