package api

import (
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport"
)

// traced puts a tool's call into the trace that its _meta names, as an HTTP request
// is in that of its header, and links the two. The caller ends what it returns.
func (d *door) traced(params *mcp.CallToolParamsRaw) (end func()) {
	text, _ := params.Meta["traceparent"].(string)
	named := sallyport.ParseTraceParent(text)
	if named.String() == "" {
		return func() {}
	}
	r := d.c.Request()
	request := trace.SpanFromContext(r.Context())
	parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: named.TraceID, SpanID: named.SpanID, TraceFlags: trace.TraceFlags(named.Flags), Remote: true})
	attributes := []attribute.KeyValue{attribute.String("mcp.method.name", methodCallTool), attribute.String("gen_ai.operation.name", "execute_tool")}
	if d.hasTool(params.Name) { // another name is the agent's own text, which is in no span
		attributes = append(attributes, attribute.String("gen_ai.tool.name", params.Name))
	}
	ctx, span := request.TracerProvider().Tracer("github.com/sallyport/sallyport/api").Start(trace.ContextWithRemoteSpanContext(r.Context(), parent), methodCallTool,
		trace.WithSpanKind(trace.SpanKindServer), trace.WithLinks(trace.Link{SpanContext: request.SpanContext()}), trace.WithAttributes(attributes...))
	d.c.SetRequest(r.WithContext(ctx))
	return func() { span.End() }
}
