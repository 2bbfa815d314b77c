package telemetry

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// HTTP continues the trace of each request's traceparent, or begins one, and
// times requests as http_server_request_duration_seconds. Spans and metrics
// are named by the route where h, or a router inside it, sets the request's
// Pattern. Probes and scrapes are left out.
func (t *Telemetry) HTTP(h http.Handler) http.Handler {
	return otelhttp.NewHandler(h, "http",
		otelhttp.WithTracerProvider(t.traces),
		otelhttp.WithMeterProvider(t.meters),
		otelhttp.WithPropagators(t.propagator),
		otelhttp.WithFilter(func(r *http.Request) bool {
			switch r.URL.Path {
			case "/healthz", "/readyz", "/metrics":
				return false
			default:
				return true
			}
		}),
	)
}

// Transport does for requests that we send what [Telemetry.HTTP] does for
// those that we get.
func (t *Telemetry) Transport(base http.RoundTripper) http.RoundTripper {
	return otelhttp.NewTransport(base,
		otelhttp.WithTracerProvider(t.traces),
		otelhttp.WithMeterProvider(t.meters),
		otelhttp.WithPropagators(t.propagator),
	)
}

// MetricsHandler serves /metrics in the Prometheus and OpenMetrics formats.
func (t *Telemetry) MetricsHandler() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{
		Registry:            t.registry,
		EnableOpenMetrics:   true,
		MaxRequestsInFlight: 4,
		Timeout:             10 * time.Second,
	})
}

// httpView keeps of the semantic conventions' attributes those that a client
// can't choose. The others include the Host header, with which a client could
// create any number of time series.
func httpView() sdkmetric.View {
	return sdkmetric.NewView(
		sdkmetric.Instrument{Name: "http.*"},
		sdkmetric.Stream{
			AttributeFilter: attribute.NewAllowKeysFilter(
				semconv.HTTPRequestMethodKey, semconv.HTTPRouteKey, semconv.HTTPResponseStatusCodeKey, semconv.ErrorTypeKey),
			// Exemplars would bring back what the filter drops.
			ExemplarReservoirProviderSelector: func(sdkmetric.Aggregation) exemplar.ReservoirProvider {
				return func(attribute.Set) exemplar.Reservoir { return noExemplars{} }
			},
		},
	)
}

// noExemplars is a reservoir that keeps none.
type noExemplars struct{}

func (noExemplars) Offer(context.Context, time.Time, exemplar.Value, []attribute.KeyValue) {}

func (noExemplars) Collect(dest *[]exemplar.Exemplar) { *dest = (*dest)[:0] }
