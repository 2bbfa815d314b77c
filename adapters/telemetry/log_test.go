package telemetry_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport/adapters/telemetry"
)

// jwt is shaped like a token and is none.
const jwt = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJib2IifQ.c2lnbmF0dXJl"

func logged(t *testing.T, format string, write func(*slog.Logger)) string {
	t.Helper()
	var b strings.Builder
	logger, err := telemetry.NewLogger(&b, telemetry.LogOptions{Format: format})
	if err != nil {
		t.Fatal(err)
	}
	write(logger)
	return b.String()
}

func TestSecretsAreNotLogged(t *testing.T) {
	type config struct {
		User     string
		Password string
	}
	type nested struct {
		Inner *config
	}
	secret := slog.StringValue("hunter2")
	for name, tt := range map[string]struct {
		reason string
		attr   slog.Attr
		secret string
	}{
		"Token":         {reason: "the plain case", attr: slog.String("token", "hunter2"), secret: "hunter2"},
		"Case":          {reason: "keys are written in many ways", attr: slog.Attr{Key: "Authorization", Value: secret}, secret: "hunter2"}, //nolint:sloglint // the key is the point
		"Word":          {reason: "a word of the key is enough", attr: slog.String("client_secret", "hunter2"), secret: "hunter2"},
		"CamelCase":     {reason: "so is one in camel case", attr: slog.Attr{Key: "dbPassword", Value: secret}, secret: "hunter2"}, //nolint:sloglint // the key is the point
		"APIKey":        {reason: "two words make one", attr: slog.String("api_key", "hunter2"), secret: "hunter2"},
		"NotAString":    {reason: "bytes are no excuse", attr: slog.Any("private_key", []byte("hunter2")), secret: "aHVudGVyMg"},
		"Group":         {reason: "all within is secret", attr: slog.Group("credentials", slog.String("value", "hunter2")), secret: "hunter2"},
		"GroupMember":   {reason: "a group hides nothing", attr: slog.Group("request", slog.String("cookie", "hunter2")), secret: "hunter2"},
		"JWT":           {reason: "a token is known by its form", attr: slog.String("detail", "got "+jwt+" from bob"), secret: "eyJ"},
		"JWTInError":    {reason: "errors quote", attr: slog.Any("error", errors.New("bad "+jwt)), secret: "eyJ"},
		"Bearer":        {reason: "opaque tokens too", attr: slog.String("header", "Bearer c2VjcmV0LXRva2Vu"), secret: "c2VjcmV0"},
		"URL":           {reason: "passwords travel in addresses", attr: slog.String("dsn", "postgres://app:hunter2@db/x"), secret: "hunter2"},
		"Struct":        {reason: "fields are keys", attr: slog.Any("config", config{"app", "hunter2"}), secret: "hunter2"},
		"NestedPointer": {reason: "JSON follows pointers", attr: slog.Any("config", nested{&config{"app", "hunter2"}}), secret: "hunter2"},
		"Header":        {reason: "so are a request's headers", attr: slog.Any("headers", http.Header{"Authorization": {"hunter2"}}), secret: "hunter2"},
		"PrivateKey":    {reason: "a key is known by its form", attr: slog.String("file", "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----"), secret: "hunter2"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, format := range []string{"json", "text"} {
				out := logged(t, format, func(l *slog.Logger) { l.LogAttrs(t.Context(), slog.LevelInfo, "x", tt.attr) })
				if strings.Contains(out, tt.secret) || !strings.Contains(out, "redacted") {
					t.Errorf("%s: %s", tt.reason, out)
				}
			}
		})
	}
}

func TestWhatIsNoSecretIsLogged(t *testing.T) {
	out := logged(t, "json", func(l *slog.Logger) {
		l.Info("refused", slog.Any("error", errors.New("bad token: it has expired")), slog.String("call_id", "k3v9"),
			slog.Any("groups", []string{"sre"}), slog.Int("tokenizer", 3), slog.String("resource", "secret"))
	})
	var got map[string]any
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	delete(got, "time")
	want := map[string]any{
		"level": "INFO", "msg": "refused", "error": "bad token: it has expired", "call_id": "k3v9",
		"groups": []any{"sre"}, "tokenizer": 3.0, "resource": "secret",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestLogsNameTheirTrace(t *testing.T) {
	ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1, 2, 3}, SpanID: trace.SpanID{4, 5},
	}))
	const ids = "trace_id=01020300000000000000000000000000 span_id=0405000000000000"
	for name, tt := range map[string]struct {
		logger func(*slog.Logger) *slog.Logger
		want   string
	}{
		"Plain": {func(l *slog.Logger) *slog.Logger { return l }, "level=INFO msg=x k=v " + ids},
		"With":  {func(l *slog.Logger) *slog.Logger { return l.With(slog.Int("a", 1)) }, "level=INFO msg=x a=1 k=v " + ids},
		"Group": {func(l *slog.Logger) *slog.Logger {
			return l.With(slog.Int("a", 1)).WithGroup("g").With(slog.Int("b", 2))
		}, "level=INFO msg=x a=1 " + ids + " g.b=2 g.k=v"},
		"TwoGroups": {func(l *slog.Logger) *slog.Logger {
			shared := l.WithGroup("g")
			shared.With(slog.Bool("other", true))
			return shared.WithGroup("h")
		}, "level=INFO msg=x " + ids + " g.h.k=v"},
	} {
		t.Run(name, func(t *testing.T) {
			out := logged(t, "text", func(l *slog.Logger) { tt.logger(l).InfoContext(ctx, "x", slog.String("k", "v")) })
			_, got, _ := strings.Cut(strings.TrimSpace(out), " ")
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			out = logged(t, "text", func(l *slog.Logger) { tt.logger(l).Info("x", slog.String("k", "v")) })
			if strings.Contains(out, "trace_id") {
				t.Errorf("without a trace: %s", out)
			}
		})
	}
}

func TestLogFormats(t *testing.T) {
	if _, err := telemetry.NewLogger(nil, telemetry.LogOptions{Format: "xml"}); err == nil {
		t.Error("an unknown format is accepted")
	}
	var b strings.Builder
	logger, err := telemetry.NewLogger(&b, telemetry.LogOptions{Level: slog.LevelWarn})
	if err != nil {
		t.Fatal(err)
	}
	logger.Info("too much")
	if b.Len() != 0 {
		t.Errorf("below the level: %s", b.String())
	}
}
