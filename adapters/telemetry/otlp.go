package telemetry

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// exporterFromEnv makes the exporter that the OTEL_* variables of the
// OpenTelemetry specification ask for, or nil where they ask for none. Unlike
// the specification's default it sends nothing to localhost unasked: either
// an endpoint or OTEL_TRACES_EXPORTER=otlp must be set. Headers, certificates,
// time limits and compression are read by the exporters themselves.
func exporterFromEnv(ctx context.Context) (sdktrace.SpanExporter, error) {
	wanted, err := exportWanted()
	if !wanted || err != nil {
		return nil, err
	}
	name, protocol := lookup("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
	switch protocol {
	case "", "http/protobuf", "http/json":
		if err := checkEndpoint(); err != nil {
			return nil, err
		}
		exporter, err := otlptracehttp.New(ctx)
		if err != nil {
			return nil, fmt.Errorf("telemetry: OTLP over HTTP: %w", err)
		}
		return exporter, nil
	case "grpc":
		exporter, err := otlptracegrpc.New(ctx)
		if err != nil {
			return nil, fmt.Errorf("telemetry: OTLP over gRPC: %w", err)
		}
		return exporter, nil
	default:
		return nil, fmt.Errorf("telemetry: %s is %q; use http/protobuf, http/json or grpc", name, protocol)
	}
}

func exportWanted() (bool, error) {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		return false, nil
	}
	switch exporter := os.Getenv("OTEL_TRACES_EXPORTER"); exporter {
	case "otlp":
		return true, nil
	case "none":
		return false, nil
	case "":
		name, _ := lookup("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
		return name != "", nil
	default:
		return false, fmt.Errorf("telemetry: OTEL_TRACES_EXPORTER is %q; spans are exported by otlp, or none", exporter)
	}
}

// checkEndpoint refuses what the HTTP exporter would only log, and then send
// its spans elsewhere. A bare host:port is a URL whose scheme is the host.
func checkEndpoint() error {
	name, endpoint := lookup("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
	if name == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		// The value may hold a password, so it is not repeated.
		return fmt.Errorf("telemetry: %s must be a URL such as http://127.0.0.1:4318", name)
	}
	return nil
}

// lookup returns the first variable that is set and not empty, which is how
// the specification reads them.
func lookup(names ...string) (name, value string) {
	for _, n := range names {
		if v := os.Getenv(n); v != "" {
			return n, v
		}
	}
	return "", ""
}
