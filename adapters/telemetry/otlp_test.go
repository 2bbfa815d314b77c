package telemetry_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/sallyport/sallyport/adapters/telemetry"
)

// receiver is an OTLP collector that keeps the names of spans by service.
type receiver struct {
	collector.UnimplementedTraceServiceServer

	mu    sync.Mutex
	spans []string
}

func (r *receiver) Export(_ context.Context, req *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rs := range req.GetResourceSpans() {
		service := ""
		for _, a := range rs.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				service = a.GetValue().GetStringValue()
			}
		}
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				r.spans = append(r.spans, service+"/"+s.GetName())
			}
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	var export collector.ExportTraceServiceRequest
	if err != nil || req.URL.Path != "/v1/traces" || proto.Unmarshal(body, &export) != nil {
		http.Error(w, "not OTLP", http.StatusBadRequest)
		return
	}
	answer, err := r.Export(req.Context(), &export)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	out, _ := proto.Marshal(answer)
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(out)
}

func (r *receiver) got() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.spans, " ")
}

// oneSpan starts telemetry, makes one span and shuts down, which flushes.
func oneSpan(t *testing.T) {
	t.Helper()
	tel, err := telemetry.Start(t.Context(), telemetry.Options{Service: "gateway", Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	_, done := tel.Metrics().Begin(t.Context(), "decide")
	done(nil)
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestOTLPOverHTTP(t *testing.T) {
	var r receiver
	server := httptest.NewServer(&r)
	defer server.Close()
	for name, tt := range map[string]struct {
		reason string
		env    map[string]string
		want   string
	}{
		"Silent":    {reason: "nothing is sent unasked", env: nil, want: ""},
		"Endpoint":  {reason: "an endpoint is a wish", env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL}, want: "gateway/decide"},
		"OfTraces":  {reason: "the endpoint of traces is used as it is", env: map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": server.URL + "/v1/traces"}, want: "gateway/decide"},
		"Renamed":   {reason: "the operator names the service", env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL, "OTEL_SERVICE_NAME": "blue"}, want: "blue/decide"},
		"None":      {reason: "none is none, endpoint or not", env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL, "OTEL_TRACES_EXPORTER": "none"}, want: ""},
		"Disabled":  {reason: "the SDK can be switched off", env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL, "OTEL_SDK_DISABLED": "True"}, want: ""},
		"Unsampled": {reason: "the sampler is the SDK's to read", env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL, "OTEL_TRACES_SAMPLER": "always_off"}, want: ""},
		"Metrics":   {reason: "an endpoint of another signal is not ours", env: map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": server.URL}, want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			clearEnv(t)
			for k, v := range tt.env {
				t.Setenv(k, v)
			}
			r.spans = nil
			oneSpan(t)
			if got := r.got(); got != tt.want {
				t.Errorf("received %q, want %q: %s", got, tt.want, tt.reason)
			}
		})
	}
}

func TestOTLPOverGRPC(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var r receiver
	server := grpc.NewServer()
	collector.RegisterTraceServiceServer(server, &r)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()

	clearEnv(t)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+listener.Addr().String())
	oneSpan(t)
	if got := r.got(); got != "gateway/decide" {
		t.Errorf("received %q", got)
	}
}

func TestStartRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		reason string
		env    map[string]string
		want   string // in the error
	}{
		"Exporter": {reason: "spans that go nowhere are missed when it is too late", env: map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}, want: "OTEL_TRACES_EXPORTER"},
		"Protocol": {reason: "there is no such protocol", env: map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "carrier-pigeon"}, want: "OTEL_EXPORTER_OTLP_PROTOCOL"},
		"HostPort": {reason: "the exporter would take the host for a scheme", env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, want: "must be a URL"},
		"Resource": {reason: "half an attribute is a typing error", env: map[string]string{"OTEL_RESOURCE_ATTRIBUTES": "team"}, want: "OTEL_RESOURCE_ATTRIBUTES"},
	} {
		t.Run(name, func(t *testing.T) {
			clearEnv(t)
			for k, v := range tt.env {
				t.Setenv(k, v)
			}
			_, err := telemetry.Start(t.Context(), telemetry.Options{Service: "gateway", Logger: quiet()})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Start = %v; want an error about %s: %s", err, tt.want, tt.reason)
			}
		})
	}
}

func TestUnreachableCollectorIsLogged(t *testing.T) {
	clearEnv(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "200")
	var log safeBuffer
	logger, err := telemetry.NewLogger(&log, telemetry.LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tel, err := telemetry.Start(t.Context(), telemetry.Options{Service: "gateway", Logger: logger})
	if err != nil {
		t.Fatalf("a collector that is away must not stop the gateway: %v", err)
	}
	_, done := tel.Metrics().Begin(t.Context(), "decide")
	done(nil)
	err = tel.Shutdown(t.Context())
	if err == nil && !strings.Contains(log.String(), "telemetry could not be delivered") {
		t.Errorf("the log does not say that spans were lost: %s", log.String())
	}
}
