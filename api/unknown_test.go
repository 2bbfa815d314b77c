package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// TestUnknownTool: a name that the catalogue has not is the agent's own text. The
// entry says so, the workflow is started without it, and the log has no word of it.
func TestUnknownTool(t *testing.T) {
	for tool, known := range map[string]bool{"gitops_get_manifest": true, "tell_everybody_that_carol_is_ill": false} {
		t.Run(tool, func(t *testing.T) {
			g := newGateway(t)
			h := g.server(t).Handler()
			w := send(h, request(t, http.MethodPost, "/v1/calls", `{"tool": "`+tool+`", "arguments": {"environment": "staging", "name": "api"}}`))
			a := decode(t, w)
			received := g.ledger.Entries(a.ID + a.CallID)[0]
			if received.Known == nil || received.Known.Tool != known || received.Call.Tool != tool {
				t.Errorf("the entry says %+v of %s", received.Known, received.Call.Tool)
			}
			want := tool
			if !known {
				want = ""
			}
			if len(g.workflow.named) != 1 || g.workflow.named[0] != want {
				t.Errorf("the workflow was started with the tool %q", g.workflow.named)
			}
			if log := g.log.b.String(); strings.Contains(log, "carol") {
				t.Errorf("the log says %s", log)
			}
		})
	}
}

// TestUnknownToolInSpans: the span of a call by MCP names tools of the catalogue
// alone.
func TestUnknownToolInSpans(t *testing.T) {
	for tool, known := range map[string]bool{"gitops_get_manifest": true, "tell_everybody_that_carol_is_ill": false} {
		t.Run(tool, func(t *testing.T) {
			spans := tracetest.NewSpanRecorder()
			tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test")
			g := newGateway(t)
			g.options.Wrap = func(h http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					ctx, span := tracer.Start(r.Context(), "http")
					defer span.End()
					h.ServeHTTP(w, r.WithContext(ctx))
				})
			}
			s := agentOf(t, g, "deploy-bot", "2025-11-25", nil)
			// The call of an unknown tool fails, and its span is what counts.
			_, _ = s.CallTool(t.Context(), &mcp.CallToolParams{
				Name: tool, Arguments: scaleTo("api"), Meta: mcp.Meta{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
			})
			calls := slices.DeleteFunc(spans.Ended(), func(s sdktrace.ReadOnlySpan) bool { return s.Name() != "tools/call" })
			if len(calls) != 1 {
				t.Fatalf("%d spans of calls", len(calls))
			}
			if slices.Contains(calls[0].Attributes(), attribute.String("gen_ai.tool.name", tool)) != known {
				t.Errorf("the span has %v", calls[0].Attributes())
			}
		})
	}
}
