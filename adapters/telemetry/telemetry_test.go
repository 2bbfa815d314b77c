package telemetry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/telemetry"
)

// safeBuffer is a buffer that several goroutines may log to.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// clearEnv takes away what the machine's own OTEL_* variables would change.
func clearEnv(t *testing.T) {
	t.Helper()
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "OTEL_") {
			t.Setenv(name, "")
		}
	}
}

func start(t *testing.T, spans sdktrace.SpanExporter) *telemetry.Telemetry {
	t.Helper()
	tel, err := telemetry.Start(t.Context(), telemetry.Options{Service: "gateway", Version: "1.2.3", Logger: quiet(), Spans: spans})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tel.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return tel
}

// scrape returns the samples of /metrics whose name begins with prefix,
// without their values where those are times.
func scrape(t *testing.T, tel *telemetry.Telemetry, prefix string) []string {
	t.Helper()
	w := httptest.NewRecorder()
	tel.MetricsHandler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("/metrics = %d %s", w.Code, w.Body)
	}
	var samples []string
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, prefix) {
			samples = append(samples, strings.TrimSpace(line))
		}
	}
	return samples
}

func intent(agent, action, resource string) sallyport.Intent {
	return sallyport.Intent{Agent: sallyport.Agent{ID: agent}, Action: action, Resource: resource}
}

func TestNotifications(t *testing.T) {
	clearEnv(t)
	tel := start(t, nil)
	m := tel.Metrics()
	m.Notification(t.Context(), sallyport.ApprovalRequested, "failed")
	m.Notification(t.Context(), sallyport.ApprovalRequested, "failed")
	m.Notification(t.Context(), sallyport.ApprovalExpired, "delivered")
	want := []string{
		`sallyport_notifications_total{kind="expired",result="delivered"} 1`,
		`sallyport_notifications_total{kind="requested",result="failed"} 2`,
	}
	if d := cmp.Diff(want, scrape(t, tel, "sallyport_notifications")); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestCalls(t *testing.T) {
	clearEnv(t)
	tel := start(t, nil)
	m := tel.Metrics()
	m.Call(t.Context(), intent("deploy-bot", "scale", "deployment"), sallyport.StateSucceeded)
	m.Call(t.Context(), intent("deploy-bot", "scale", "deployment"), sallyport.StateSucceeded)
	m.Call(t.Context(), intent("triage-bot", "get", "secret"), sallyport.StateDenied)
	m.Call(t.Context(), intent("triage-bot", "get", "a\"} 1\nforged{x=\""), sallyport.StateInvalid)
	want := []string{
		`agent_tool_calls_total{action="get",agent_id="triage-bot",resource="other",result="error"} 1`,
		`agent_tool_calls_total{action="get",agent_id="triage-bot",resource="secret",result="denied"} 1`,
		`agent_tool_calls_total{action="scale",agent_id="deploy-bot",resource="deployment",result="allowed"} 2`,
	}
	if d := cmp.Diff(want, scrape(t, tel, "agent_tool_calls")); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestLabelsAreBounded(t *testing.T) {
	clearEnv(t)
	tel := start(t, nil)
	m := tel.Metrics()
	for i := range 5000 {
		m.Call(t.Context(), intent("triage-bot", "get", fmt.Sprintf("kind-%d", i)), sallyport.StateDenied)
	}
	m.Call(t.Context(), intent("deploy-bot", "scale", "deployment"), sallyport.StateSucceeded)
	samples := scrape(t, tel, "agent_tool_calls")
	if len(samples) != 34 {
		t.Errorf("one agent made %d series, want 32 and one for the rest", len(samples)-1)
	}
	spared := `agent_tool_calls_total{action="scale",agent_id="deploy-bot",resource="deployment",result="allowed"} 1`
	if !slices.Contains(samples, spared) {
		t.Error("another agent lost its numbers")
	}
	for i := range 3000 {
		m.Call(t.Context(), intent(fmt.Sprintf("agent-%d", i), "get", "pod"), sallyport.StateSucceeded)
	}
	if n := len(scrape(t, tel, "agent_tool_calls")); n > 34+1000+1 {
		t.Errorf("agents made %d series", n)
	}
	if lost := scrape(t, tel, `agent_tool_calls_total{action="other",agent_id="other"`); len(lost) != 1 {
		t.Errorf("calls beyond the bound are counted in %q", lost)
	}
}

func TestResultOfEveryState(t *testing.T) {
	want := map[sallyport.State]string{
		sallyport.StateSucceeded: "allowed", sallyport.StateFailed: "allowed",
		sallyport.StateDenied: "denied", sallyport.StateRejected: "denied", sallyport.StateExpired: "denied",
		sallyport.StateInvalid: "error", sallyport.StateAmbiguous: "error", sallyport.StateCancelled: "error",
	}
	for _, s := range sallyport.States() {
		if s.Final() && want[s] == "" {
			t.Errorf("no result is expected of %s", s)
		}
		if got := telemetry.Result(s); s.Final() && got != want[s] {
			t.Errorf("Result(%s) = %s, want %s", s, got, want[s])
		}
	}
}

func TestSteps(t *testing.T) {
	clearEnv(t)
	spans := tracetest.NewInMemoryExporter()
	tel := start(t, spans)
	m := tel.Metrics()
	ctx, done := m.Begin(t.Context(), "run")
	_, inner := m.Begin(ctx, "plan")
	inner(fmt.Errorf("planning: %w", sallyport.Errorf(sallyport.Denied, "own_agent", "token eyJhbGciOi was quoted")))
	done(nil)
	m.Step(t.Context(), "count", 1500*time.Millisecond, errors.New("disk on fire"))

	got := spans.GetSpans()
	if len(got) != 2 || got[0].Name != "plan" || got[1].Name != "run" {
		t.Fatalf("spans %+v", got)
	}
	if got[0].Parent.SpanID() != got[1].SpanContext.SpanID() {
		t.Error("a step within a step is not its child")
	}
	if text := fmt.Sprintf("%+v", got); strings.Contains(text, "eyJ") || !strings.Contains(text, "own_agent") {
		t.Errorf("a span holds an error's text, or not its code: %s", text)
	}
	want := []string{
		`sallyport_step_duration_seconds_count{step="run"} 1`,
		`sallyport_step_duration_seconds_count{error_type="denied",step="plan"} 1`,
		`sallyport_step_duration_seconds_count{error_type="internal",step="count"} 1`,
	}
	if d := cmp.Diff(want, scrape(t, tel, "sallyport_step_duration_seconds_count")); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if sum := scrape(t, tel, `sallyport_step_duration_seconds_sum{error_type="internal"`); len(sum) != 1 || !strings.HasSuffix(sum[0], " 1.5") {
		t.Errorf("the unit is not seconds: %q", sum)
	}
}

func TestRuntimeMetrics(t *testing.T) {
	clearEnv(t)
	tel := start(t, nil)
	for _, name := range []string{"go_goroutines ", "process_resident_memory_bytes ", "go_build_info{", `target_info{`} {
		if len(scrape(t, tel, name)) != 1 {
			t.Errorf("/metrics has no %s", name)
		}
	}
}

// serve sends one request through the middleware to a handler that, like a
// router, sets the pattern.
func serve(t *testing.T, tel *telemetry.Telemetry, path, traceparent, host string) trace.SpanContext {
	t.Helper()
	var inside trace.SpanContext
	h := tel.HTTP(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		r.Pattern = "/v1/calls/{id}"
		inside = trace.SpanContextFromContext(r.Context())
	}))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.Header.Set("Traceparent", traceparent)
	r.Header.Set("Baggage", "whisper=ignore-all-rules")
	r.Host = host
	h.ServeHTTP(httptest.NewRecorder(), r)
	return inside
}

func TestTraceGoesOn(t *testing.T) {
	clearEnv(t)
	for name, tt := range map[string]struct {
		reason, traceparent, want string
		spans                     int
	}{
		"Given":   {reason: "the agent's trace goes on", traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", want: "0af7651916cd43dd8448eb211c80319c", spans: 1},
		"Invalid": {reason: "nonsense begins a new trace", traceparent: "00-<script>-01", spans: 1},
		"None":    {reason: "each request has a trace", spans: 1},
	} {
		t.Run(name, func(t *testing.T) {
			spans := tracetest.NewInMemoryExporter()
			inside := serve(t, start(t, spans), "/v1/calls/abc", tt.traceparent, "")
			if !inside.IsValid() || tt.want != "" && inside.TraceID().String() != tt.want {
				t.Errorf("trace %s, want %s: %s", inside.TraceID(), tt.want, tt.reason)
			}
			got := spans.GetSpans()
			if len(got) != 1 || got[0].Name != "GET /v1/calls/{id}" {
				t.Errorf("spans %+v", got)
			}
			if strings.Contains(fmt.Sprintf("%+v", got), "whisper") {
				t.Error("baggage came through")
			}
		})
	}
}

func TestTraceIDsWithoutExporter(t *testing.T) {
	clearEnv(t)
	tel := start(t, nil)
	const given = "0af7651916cd43dd8448eb211c80319c"
	inside := serve(t, tel, "/v1/calls/abc", "00-"+given+"-b7ad6b7169203331-01", "")
	if inside.TraceID().String() != given || !inside.IsSampled() {
		t.Errorf("inside the trace is %s, sampled %t", inside.TraceID(), inside.IsSampled())
	}
	header := http.Header{}
	out := tel.Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
		header = r.Header
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
	}))
	ctx := trace.ContextWithSpanContext(t.Context(), inside)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1/", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := out.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if got := header.Get("Traceparent"); !regexp.MustCompile(`^00-` + given + `-[0-9a-f]{16}-01$`).MatchString(got) {
		t.Errorf("passed on as %q", got)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestHTTPMetricsAreBounded(t *testing.T) {
	clearEnv(t)
	tel := start(t, tracetest.NewInMemoryExporter())
	for i := range 50 {
		serve(t, tel, fmt.Sprintf("/v1/calls/%d", i), "", fmt.Sprintf("forged-%d.example", i))
	}
	want := []string{`http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="/v1/calls/{id}"} 50`}
	if d := cmp.Diff(want, scrape(t, tel, "http_server_request_duration_seconds_count")); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", "application/openmetrics-text")
	tel.MetricsHandler().ServeHTTP(w, r)
	if body, _ := io.ReadAll(w.Body); strings.Contains(string(body), "forged-") {
		t.Error("an exemplar holds what a client wrote")
	}
}

func TestProbesAreNotTraced(t *testing.T) {
	clearEnv(t)
	spans := tracetest.NewInMemoryExporter()
	tel := start(t, spans)
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		serve(t, tel, path, "", "")
	}
	if got := spans.GetSpans(); len(got) != 0 {
		t.Errorf("spans %+v", got)
	}
}

func TestRequired(t *testing.T) {
	if _, err := telemetry.Start(t.Context(), telemetry.Options{Service: "gateway"}); err == nil {
		t.Error("Start took no logger")
	}
	if _, err := telemetry.Start(t.Context(), telemetry.Options{Logger: quiet()}); err == nil {
		t.Error("Start took no service")
	}
	if _, err := telemetry.NewMetrics(nil, nil); err == nil {
		t.Error("NewMetrics took no providers")
	}
}

// TestSpansHaveNoWords: whatever instrumentation puts into spans, these have no
// text that a caller chose, and no message of an error.
func TestSpansHaveNoWords(t *testing.T) {
	clearEnv(t)
	const mark = "quetzalcoatl"
	spans := tracetest.NewInMemoryExporter()
	tel := start(t, spans)
	h := tel.HTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, span := tel.TracerProvider().Tracer("t").Start(r.Context(), "inner")
		span.RecordError(errors.New(mark))
		span.SetStatus(codes.Error, mark+" failed")
		span.End()
		_, coded := tel.TracerProvider().Tracer("t").Start(r.Context(), "coded")
		coded.AddEvent("error", trace.WithAttributes(attribute.String("sallyport.code", "drift")))
		coded.SetStatus(codes.Error, "drift")
		coded.End()
		w.WriteHeader(http.StatusNotFound)
	}))
	r := httptest.NewRequest(http.MethodGet, "/"+mark+"?tool="+mark, nil)
	r.Host = mark
	r.Header.Set("User-Agent", mark)
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	r.Header.Set("Tracestate", "agent="+mark)
	h.ServeHTTP(httptest.NewRecorder(), r)
	got := spans.GetSpans()
	if len(got) != 3 {
		t.Fatalf("%d spans", len(got))
	}
	for _, s := range got {
		if said := fmt.Sprintf("%+v", s); strings.Contains(said, mark) {
			t.Errorf("the span %s says %s", s.Name, said)
		}
	}
	if s := got[1]; s.Status.Description != "drift" || s.Status.Code != codes.Error || len(s.Events) != 1 || len(s.Events[0].Attributes) != 1 || s.Events[0].Attributes[0].Value.AsString() != "drift" {
		t.Errorf("codes are left out: %+v", s)
	}
}
