package compat

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/jws"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/adapters/notify"
	"github.com/sallyport/sallyport/adapters/telemetry"
	"github.com/sallyport/sallyport/api"
	"github.com/sallyport/sallyport/strict"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// prose matches members that are for people to read. Their wording may change.
var prose = regexp.MustCompile(`"(text|title|detail)":"(\\.|[^"\\])*"`)

// message lists headers and a body, without prose.
func message(h http.Header, body []byte) []string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(h)) {
		lines = append(lines, name+": "+strings.Join(h[name], ", "))
	}
	return append(lines, prose.ReplaceAllString(strings.TrimSpace(string(body)), `"$1":"…"`))
}

const notification = `{"id":"aebagbafaydqqcikbmga2dqpca/9","kind":"decided","at":"2026-11-21T22:00:03Z",` +
	`"call_id":"aebagbafaydqqcikbmga2dqpca","agent":"deploy-bot","owner":"alice","tool":"gitops_scale_deployment","action":"scale","resource":"deployment",` +
	`"namespace":"production","name":"api","plan_summary":"replicas 3 → 5","reasons":[{"code":"production_write","message":"a write <&>"}],"ballot":"sha256:00",` +
	`"terms":{"groups":["sre"],"quorum":1,"ttl_seconds":900,"evidence":["idp-signed"]},"expires_at":"2026-11-21T22:15:03Z","run_id":"run","link":"https://ui.example/run",` +
	`"resolution":"rejected","approvers":["bob"],"rejecters":["audra"],"code":"rejected","claimed_reason":"latency"}`

// TestEvent pins a webhook's request.
func TestEvent(t *testing.T) {
	var lines []string
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Header.Set("Webhook-Signature", regexp.MustCompile(`[A-Za-z0-9+/]{43}=`).ReplaceAllString(r.Header.Get("Webhook-Signature"), "…"))
		r.Header.Del("Content-Length") // prose counts in it
		lines = message(r.Header, body)
	}))
	defer receiver.Close()
	w, err := notify.New(notify.Options{
		URL: receiver.URL, Source: "urn:example", Secrets: [][]byte{[]byte(strings.Repeat("s", 32))}, Now: func() time.Time { return noon },
	})
	if err != nil {
		t.Fatal(err)
	}
	var n sallyport.Notification
	if err := strict.Decode([]byte(notification), &n); err != nil {
		t.Fatal(err)
	}
	if err := w.Notify(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	pinned{
		"event.golden", "A webhook's headers and body, without prose and the signature's value",
		"receivers of events refuse them or misread them",
	}.hold(t, lines)
}

// quiet has the parts of an API that this test does not use.
type quiet struct{}

func (quiet) Start(context.Context, sallyport.SignedCall, sallyport.Call) error { return nil }
func (quiet) Vote(context.Context, string, string) error                        { return nil }
func (quiet) Cancel(context.Context, string, sallyport.Identity) error          { return nil }

func (quiet) Agent(context.Context, string) (sallyport.Agent, error) {
	return sallyport.Agent{}, sallyport.Errorf(sallyport.NotFound, sallyport.CodeUnknownSubject, "there is none")
}

func (quiet) HasTool(context.Context, string) (bool, error) { return false, nil }

func (quiet) HasNamespace(context.Context, string) (bool, error) { return false, nil }

func (quiet) Visible(context.Context, sallyport.Agent) ([]sallyport.Tool, error) {
	return nil, nil
}

func (quiet) Sees(context.Context, sallyport.Agent, string) (tool sallyport.Tool, ok bool, err error) {
	return tool, false, nil
}

func (quiet) Preview(context.Context, sallyport.Call, sallyport.Agent) (i sallyport.Intent, d sallyport.Decision, err error) {
	return i, d, nil
}

// newAPI is an API whose callers are all deploy-bot.
func newAPI(t *testing.T, l *ledger.Ledger) http.Handler {
	t.Helper()
	signer, err := jws.NewSigner(ed25519.NewKeyFromSeed([]byte(strings.Repeat("k", ed25519.SeedSize))))
	if err != nil {
		t.Fatal(err)
	}
	bot := example(t).Intent.Agent
	s, err := api.New(api.Options{
		Identifier: sallyport.IdentifierFunc(func(context.Context, string) (sallyport.Identity, error) {
			return sallyport.Identity{Account: bot.Account, Agent: &bot}, nil
		}),
		Signer: signer, Recorder: l, Reader: l, Freezes: l, Scopes: quiet{}, Log: l, Calls: quiet{}, Catalogue: quiet{}, Preview: quiet{},
		Redactions: func(string) []string { return []string{"/token"} },
		Metrics:    http.NotFoundHandler(), Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return noon },
		Random: bytes.NewReader(bytes.Repeat([]byte{7}, 1<<12)), RateLimit: api.RateLimit{PerSecond: 100, Burst: 100}, ReadLimit: api.RateLimit{PerSecond: 100, Burst: 100},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s.Handler()
}

// TestAPI pins responses of the API, and the call that it records: its id, which
// follows from the Idempotency-Key, and the digest of its body.
func TestAPI(t *testing.T) {
	l, _, _ := recorded(t)
	server := newAPI(t, l)
	var lines []string
	ask := func(method, path, body string) {
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		r.Header = http.Header{"Authorization": {"Bearer x"}, "Content-Type": {"application/json"}, "Idempotency-Key": {"key-1"}, "Prefer": {"wait=0"}}
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		lines = append(lines, fmt.Sprintf("%s %s: %d", method, path, w.Code))
		lines = append(lines, message(w.Result().Header, w.Body.Bytes())...)
	}
	ask("POST", "/v1/calls", `{"tool":"http_probe","arguments":{"url":"https://status.example.com/","token":"s3cr3t"},"reason":"r","session":"s","task":"t"}`)
	ask("GET", "/v1/calls/"+callID, "")
	ask("GET", "/v1/calls/none", "")
	page, err := l.Calls(t.Context(), sallyport.Query{Tool: "http_probe"})
	if err != nil || len(page.Records) != 1 {
		t.Fatalf("%d calls were recorded, want one (%v)", len(page.Records), err)
	}
	recorded, err := l.Call(t.Context(), page.Records[0].Call.ID)
	if err != nil {
		t.Fatal(err)
	}
	lines = append(lines, "recorded call: "+written(t, recorded.Call))
	pinned{
		"api.golden", "Responses of the API, without prose, and a call as it is recorded",
		"clients misread responses, and an agent's repeated request counts as a new call",
	}.hold(t, lines)
}

// TestMetrics pins the metrics that Prometheus scrapes, with their labels.
func TestMetrics(t *testing.T) {
	tel, err := telemetry.Start(t.Context(), telemetry.Options{Service: "example", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tel.Shutdown(context.WithoutCancel(t.Context())) }()
	r := example(t)
	m := tel.Metrics()
	m.Call(t.Context(), *r.Intent, r.State)
	m.Step(t.Context(), "run", time.Second, sallyport.Errorf(sallyport.Denied, "denied", "no"))
	m.Notification(t.Context(), "requested", "delivered")
	tel.HTTP(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/calls", nil))
	w := httptest.NewRecorder()
	tel.MetricsHandler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	found, value := map[string]bool{}, regexp.MustCompile(`="[^"]*"`)
	for line := range strings.Lines(w.Body.String()) {
		name, _, _ := strings.Cut(line, " ")
		if strings.HasPrefix(name, "agent_") || strings.HasPrefix(name, "sallyport_") || strings.HasPrefix(name, "http_") {
			found[value.ReplaceAllString(name, "")] = true
		}
	}
	pinned{
		"metrics.golden", "Metrics with their labels",
		"dashboards and alerts of operators show nothing",
	}.hold(t, slices.Sorted(maps.Keys(found)))
}
