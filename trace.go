package sallyport

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// TraceContext is a place in a distributed trace, as the value of a traceparent
// header names it (https://www.w3.org/TR/trace-context-2/).
type TraceContext struct {
	TraceID [16]byte
	SpanID  [8]byte
	Flags   byte // 1: sampled, 2: the trace id is random
}

// traceFlags are those that the specification defines.
const traceFlags = 3

// Span is what [TraceParent] needs of a span. OpenTelemetry's SpanContext has
// it.
type Span[T ~[16]byte, S ~[8]byte, F ~byte] interface {
	TraceID() T
	SpanID() S
	TraceFlags() F
}

// TraceParent is the traceparent of a span, or "" where there is no span.
func TraceParent[T ~[16]byte, S ~[8]byte, F ~byte](span Span[T, S, F]) string {
	return TraceContext{TraceID: span.TraceID(), SpanID: span.SpanID(), Flags: byte(span.TraceFlags())}.String()
}

// String is the traceparent, or "" where one of the ids is zero.
func (t TraceContext) String() string {
	if !t.valid() {
		return ""
	}
	return fmt.Sprintf("00-%x-%x-%02x", t.TraceID, t.SpanID, t.Flags&traceFlags)
}

func (t TraceContext) valid() bool { return t.TraceID != [16]byte{} && t.SpanID != [8]byte{} }

// ParseTraceParent reads a traceparent of any version. It is the zero
// TraceContext where the specification has the receiver ignore it.
func ParseTraceParent(s string) TraceContext {
	var t TraceContext
	var version, flags [1]byte
	parts := strings.Split(s, "-")
	for i, into := range [][]byte{version[:], t.TraceID[:], t.SpanID[:], flags[:]} {
		if i == len(parts) || !lowerHex(into, parts[i]) {
			return TraceContext{}
		}
	}
	first := version[0] == 0 // that says all there is
	if !t.valid() || version[0] == 0xff || first && (len(parts) > 4 || flags[0] > traceFlags) {
		return TraceContext{}
	}
	t.Flags = flags[0] & traceFlags
	return t
}

// lowerHex reads exactly as many lowercase digits as fill a slice.
func lowerHex(into []byte, s string) bool {
	if len(s) != 2*len(into) || strings.ContainsAny(s, "ABCDEF") {
		return false
	}
	_, err := hex.Decode(into, []byte(s))
	return err == nil
}

// TraceID is the id of the trace in a traceparent, or "" where there is none.
func TraceID(traceParent string) string {
	t := ParseTraceParent(traceParent)
	if !t.valid() {
		return ""
	}
	return hex.EncodeToString(t.TraceID[:])
}
