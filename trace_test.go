package sallyport_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
)

const (
	someTrace = "0af7651916cd43dd8448eb211c80319c"
	someSpan  = "b7ad6b7169203331"
	noTrace   = "00000000000000000000000000000000"
)

func TestTraceParent(t *testing.T) {
	const normal = "00-" + someTrace + "-" + someSpan + "-01"
	for name, tt := range map[string]struct{ reason, in, want string }{
		"Sampled":      {"it is as the specification shows it", normal, normal},
		"NotSampled":   {"it is a trace all the same", "00-" + someTrace + "-" + someSpan + "-00", "00-" + someTrace + "-" + someSpan + "-00"},
		"Random":       {"the second flag is of level 2", "00-" + someTrace + "-" + someSpan + "-03", "00-" + someTrace + "-" + someSpan + "-03"},
		"LaterVersion": {"a later version may say more", "cc-" + someTrace + "-" + someSpan + "-09-what-else", normal},
		"LaterAsFirst": {"or just as much", "01-" + someTrace + "-" + someSpan + "-01", normal},
		"NoVersion":    {"ff is none", "ff-" + someTrace + "-" + someSpan + "-01", ""},
		"Longer":       {"the first version says no more", normal + "-x", ""},
		"Dash":         {"the same", normal + "-", ""},
		"Flags":        {"the first version has no other flags", "00-" + someTrace + "-" + someSpan + "-04", ""},
		"NoFlags":      {"there are four parts", "00-" + someTrace + "-" + someSpan, ""},
		"ShortFlags":   {"a part has its length", "00-" + someTrace + "-" + someSpan + "-1", ""},
		"NoTrace":      {"zero is no trace", "00-" + noTrace + "-" + someSpan + "-01", ""},
		"NoSpan":       {"zero is no span", "00-" + someTrace + "-0000000000000000-01", ""},
		"ShortTrace":   {"a part has its length", "00-" + someTrace[1:] + "-" + someSpan + "-01", ""},
		"LongSpan":     {"a part has its length", "00-" + someTrace + "-" + someSpan + "00-01", ""},
		"Uppercase":    {"digits are lowercase, so that a trace has one name", "00-0AF7651916CD43DD8448EB211C80319C-" + someSpan + "-01", ""},
		"NoDigits":     {"it could be anything", "00-<script>alert(1)</script>12345678-" + someSpan + "-01", ""},
		"Space":        {"a reader would have to guess", " " + normal, ""},
		"Two":          {"which of them is it?", normal + "," + normal, ""},
		"Nothing":      {"there is no trace", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			parsed := sallyport.ParseTraceParent(tt.in)
			if got := parsed.String(); got != tt.want {
				t.Errorf("ParseTraceParent(%q) is %q, want %q: %s", tt.in, got, tt.want, tt.reason)
			}
			if d := cmp.Diff(sallyport.ParseTraceParent(tt.want), parsed); d != "" {
				t.Errorf("(-as written +as read)\n%s", d)
			}
			want := ""
			if tt.want != "" {
				want = someTrace
			}
			if got := sallyport.TraceID(tt.in); got != want {
				t.Errorf("TraceID(%q) = %q, want %q", tt.in, got, want)
			}
		})
	}
}

type (
	traceID [16]byte
	spanID  [8]byte
	flags   byte
)

// span is one of a library that has types of its own.
type span struct {
	trace traceID
	id    spanID
	flags flags
}

func (s span) TraceID() traceID  { return s.trace }
func (s span) SpanID() spanID    { return s.id }
func (s span) TraceFlags() flags { return s.flags }

func TestTraceParentOfASpan(t *testing.T) {
	for want, s := range map[string]span{
		"00-01000000000000000000000000000000-0200000000000000-01": {traceID{1}, spanID{2}, 1},
		"00-01000000000000000000000000000000-0200000000000000-02": {traceID{1}, spanID{2}, 0xfe},
		"": {traceID{1}, spanID{}, 1},
	} {
		if got := sallyport.TraceParent(s); got != want {
			t.Errorf("TraceParent(%v) = %q, want %q", s, got, want)
		}
	}
}
