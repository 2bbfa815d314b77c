package instancetest_test

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/dev/instancetest"
	"github.com/sallyport/sallyport/sallyporttest/program"
)

// span is what a collector is told of one.
type span struct{ trace, id, parent, name string }

// collected are the spans that an OTLP/HTTP receiver got.
type collected struct {
	mu    sync.Mutex
	spans []span
}

func (c *collected) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var export collector.ExportTraceServiceRequest
	if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &export) != nil {
		http.Error(w, "not OTLP", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range export.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				c.spans = append(c.spans, span{
					hex.EncodeToString(s.GetTraceId()), hex.EncodeToString(s.GetSpanId()), hex.EncodeToString(s.GetParentSpanId()), s.GetName(),
				})
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (c *collected) has(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.spans, func(s span) bool { return s.name == name })
}

// of are the spans of one trace, by their ids.
func (c *collected) of(trace string) map[string]span {
	c.mu.Lock()
	defer c.mu.Unlock()
	of := map[string]span{}
	for _, s := range c.spans {
		if s.trace == trace {
			of[s.id] = s
		}
	}
	return of
}

const (
	agentTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	agentSpan   = "00f067aa0ba902b7"
	agentParent = "00-" + agentTrace + "-" + agentSpan + "-01"
)

// TestOneTrace follows a call from the agent's trace context through HTTP,
// Temporal and the worker into the executor.
func TestOneTrace(t *testing.T) {
	t.Parallel()
	var c collected
	receiver := httptest.NewServer(&c)
	defer receiver.Close()
	const executor = "github.com/sallyport/sallyport/dev/instancetest/testdata/traceexec"
	dir, err := program.Build(t.Context(), os.Stderr, "", executor)
	if err != nil {
		t.Fatal(err)
	}
	i := instancetest.Start(t, instancetest.Options{
		Executor: filepath.Join(dir, filepath.Base(executor)),
		Env:      []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + receiver.URL, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "OTEL_BSP_SCHEDULE_DELAY=100"},
	})
	body := `{"tool": "gitops_get_manifest", "arguments": {"environment": "staging", "name": "api"}}`
	status, text := do(t, i, "deploy-bot", http.MethodPost, "/v1/calls", body, http.Header{"Traceparent": {agentParent}})
	var call struct {
		TraceID string `json:"trace_id"`
		Result  struct{ Content struct{ Traceparent string } }
	}
	if err := json.Unmarshal([]byte(text), &call); err != nil || status != http.StatusOK {
		t.Fatalf("the call is answered with %d: %s", status, text)
	}
	if call.TraceID != agentTrace {
		t.Errorf("the call says that its trace is %q", call.TraceID)
	}
	// The answer comes as soon as the outcome is recorded, and the workflow
	// ends after that.
	instancetest.Await(t, "the workflow has ended", func() bool { return c.has("RunWorkflow:ToolCall") })
	i.Interrupt(t) // which sends the last spans

	spans := c.of(agentTrace)
	way := wayUp(t, spans, call.Result.Content.Traceparent)
	want := []string{"RunActivity:Run", "StartActivity:Run", "RunWorkflow:ToolCall", "StartWorkflow:ToolCall", "POST /v1/calls"}
	if !slices.Equal(way, want) {
		t.Errorf("from the executor up to the agent: %q, want %q", way, want)
	}
	var names []string
	for _, s := range spans {
		names = append(names, s.name)
	}
	for _, step := range []string{"RunActivity:Validate", "RunActivity:Decide"} {
		if !slices.Contains(names, step) {
			t.Errorf("no span %s among %q", step, names)
		}
	}
	for _, s := range spans {
		if _, ok := spans[s.parent]; !ok && s.parent != agentSpan {
			t.Errorf("the span %s hangs in the air", s.name)
		}
	}
}

// wayUp names the spans from the one in a trace context up to the agent's.
func wayUp(t *testing.T, spans map[string]span, traceparent string) []string {
	t.Helper()
	id := sallyport.ParseTraceParent(traceparent).SpanID
	first := hex.EncodeToString(id[:])
	if sallyport.TraceID(traceparent) != agentTrace || first == agentSpan {
		t.Fatalf("the executor's trace context is %q", traceparent)
	}
	var way []string
	for id := first; id != agentSpan && len(way) <= len(spans); id = spans[id].parent {
		if _, ok := spans[id]; !ok {
			t.Fatalf("above %q is a span that no process exported", way)
		}
		way = append(way, spans[id].name)
	}
	return way
}

// TestMetrics counts a few calls and looks at what a scrape says.
func TestMetrics(t *testing.T) {
	t.Parallel()
	i := instancetest.Start(t, instancetest.Options{})
	bot := i.Client(t, "deploy-bot")
	scaled := func(replicas int) {
		s := scale("staging/api", replicas)
		s.Key, s.Wait = "", time.Minute
		_, _ = bot.Submit(t.Context(), s) // how it ends is what is counted
	}
	scaled(50)
	scaled(60)
	scaled(5)
	for range 3 {
		s := read("staging/api")
		s.Key, s.Wait = "", time.Minute
		if _, err := bot.Submit(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	s := read("production/db")
	s.Wait, s.Arguments = time.Minute, []byte(`{"environment": "production", "name": "db", "kind": "secret"}`)
	_, _ = bot.Submit(t.Context(), s)

	_, text := do(t, i, "olga", http.MethodGet, "/metrics", "", nil)
	for _, want := range []string{
		`agent_tool_calls_total{action="scale",agent_id="deploy-bot",resource="deployment",result="denied"} 2`,
		`agent_tool_calls_total{action="scale",agent_id="deploy-bot",resource="deployment",result="allowed"} 1`,
		`agent_tool_calls_total{action="get",agent_id="deploy-bot",resource="deployment",result="allowed"} 3`,
		// The agent named the kind, and policy's data has no such resource.
		`agent_tool_calls_total{action="get",agent_id="deploy-bot",resource="other",result="denied"} 1`,
		`sallyport_step_duration_seconds_count{step="validate"} 7`,
		`sallyport_step_duration_seconds_count{step="decide"} 7`,
		`sallyport_step_duration_seconds_count{step="run"} 4`,
		`sallyport_step_duration_seconds_count{step="finish"} 3`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("not among the metrics: %s", want)
		}
	}
	if t.Failed() {
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "agent_tool") || strings.Contains(line, "step_duration_seconds_count") {
				t.Log(strings.TrimSpace(line))
			}
		}
	}
}
