package telemetry_test

import (
	"strings"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport"
)

// FuzzTraceParent holds the root's reader of a traceparent against
// OpenTelemetry's, so that calls and spans are of the same trace.
func FuzzTraceParent(f *testing.F) {
	const given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"
	for _, seed := range []string{
		given + "00", given + "01", given + "03", given + "04", given + "0", given + "01-", given + "01-x", "ff" + given[2:] + "01",
		"fe" + given[2:] + "ff-x", strings.ToUpper(given) + "01", "00-00000000000000000000000000000000-b7ad6b7169203331-01", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var w3c propagation.TraceContext
		ctx := w3c.Extract(t.Context(), propagation.MapCarrier{"traceparent": s})
		carrier := propagation.MapCarrier{}
		w3c.Inject(ctx, carrier)
		want := carrier["traceparent"]
		if got := sallyport.TraceParent(trace.SpanContextFromContext(ctx)); got != want {
			t.Errorf("TraceParent = %q, OpenTelemetry writes %q", got, want)
		}
		if strings.HasPrefix(s, "00-") && strings.HasSuffix(s, "-") {
			want = "" // OpenTelemetry takes a dash at the end, and the specification does not
		}
		if got := sallyport.ParseTraceParent(s).String(); got != want {
			t.Errorf("ParseTraceParent(%q) = %q, OpenTelemetry reads %q", s, got, want)
		}
	})
}
