package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport"
)

const (
	readBody  = `{"tool": "gitops_get_manifest", "arguments": {"environment": "staging", "name": "api"}}`
	slowBody  = `{"tool": "gitops_get_manifest", "arguments": {"environment": "staging", "name": "slow"}}`
	queueBody = `{"tool": "gitops_get_manifest", "arguments": {"environment": "staging", "name": "queued"}}`
)

// request is a request of deploy-bot.
func request(tb testing.TB, method, target, body string, headers ...string) *http.Request {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), method, target, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer deploy-bot")
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func send(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// response holds the members of a response that the tests compare.
type response struct {
	ID      string `json:"id"`
	State   string `json:"state"`
	Code    string `json:"code"`
	CallID  string `json:"call_id"`
	TraceID string `json:"trace_id"`
}

func decode(tb testing.TB, w *httptest.ResponseRecorder) response {
	tb.Helper()
	var a response
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		tb.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return a
}

func TestReceivedEntry(t *testing.T) {
	g := newGateway(t)
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	g.options.Wrap = func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r = r.WithContext(trace.ContextWithSpanContext(r.Context(), span))
			h.ServeHTTP(w, r)
			if r.Pattern != "/v1/calls" { // what traces and metrics name the route by
				t.Errorf("pattern %q", r.Pattern)
			}
		})
	}
	body := `{"task": "t", "session": "s", "reason": "r", "tool": "gitops_get_manifest", "arguments": {"name": "api", "environment": "staging"}}`
	w := send(g.server(t).Handler(), request(t, http.MethodPost, "/v1/calls", body,
		"Idempotency-Key", "k", "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
	a := decode(t, w)
	if w.Code != http.StatusOK || a.TraceID != "01000000000000000000000000000000" {
		t.Fatalf("%d, trace %q: the server's own span must govern", w.Code, a.TraceID)
	}
	account := sallyport.Account{Issuer: "https://agents.test", Subject: "deploy-bot"}
	want := sallyport.Call{
		ID:      "5zeim7v3rvul2iqvgck4y3ivsy", // SHA-256 of ["https://agents.test","deploy-bot","k"]
		AgentID: "deploy-bot", Account: account, Tool: "gitops_get_manifest",
		Arguments:  json.RawMessage(`{"environment":"staging","name":"api"}`),
		Stated:     sallyport.Stated{Reason: "r", Session: "s", Task: "t"},
		ReceivedAt: g.clock.Now(), TraceParent: "00-01000000000000000000000000000000-0200000000000000-00",
		Body: sallyport.NewDigest("sallyport/body/v1", []byte(
			`{"arguments":{"environment":"staging","name":"api"},"reason":"r","session":"s","task":"t","tool":"gitops_get_manifest"}`)),
	}
	entries := g.ledger.Entries(a.ID)
	if len(entries) == 0 {
		t.Fatal("nothing was recorded")
	}
	if d := cmp.Diff(want, *entries[0].Call); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	var signed sallyport.Call
	if err := unseal(string(entries[0].Signed), &signed); err != nil || !cmp.Equal(want, signed) {
		t.Errorf("signed: %+v, %v", signed, err)
	}
}

// An agent that sends the same call many times at once gets it once.
func TestSameKeyRaces(t *testing.T) {
	g := newGateway(t)
	h := g.server(t).Handler()
	responses := inParallel(t, h, func(int) *http.Request {
		return request(t, http.MethodPost, "/v1/calls", readBody, "Idempotency-Key", "k")
	})
	for _, w := range responses {
		if a := decode(t, w); w.Code != http.StatusOK || a.ID != decode(t, responses[0]).ID || a.State != "succeeded" {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if n := g.workflow.calls(); n != 1 {
		t.Errorf("%d calls were started", n)
	}
}

// Of bodies that race for a key one wins, and the others hear of it.
func TestSameKeyOtherBodyRaces(t *testing.T) {
	g := newGateway(t)
	h := g.server(t).Handler()
	responses := inParallel(t, h, func(i int) *http.Request {
		body := fmt.Sprintf(`{"tool": "gitops_get_manifest", "arguments": {"environment": "staging", "name": "api-%d"}}`, i)
		return request(t, http.MethodPost, "/v1/calls", body, "Idempotency-Key", "k")
	})
	won := 0
	for _, w := range responses {
		switch {
		case w.Code == http.StatusOK:
			won++
		case w.Code != http.StatusUnprocessableEntity || decode(t, w).Code != "idempotency_mismatch":
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if won != 1 || g.workflow.calls() != 1 {
		t.Errorf("%d won, %d were started", won, g.workflow.calls())
	}
}

func inParallel(t *testing.T, h http.Handler, nth func(int) *http.Request) []*httptest.ResponseRecorder {
	t.Helper()
	responses := [32]*httptest.ResponseRecorder{}
	ready := sync.WaitGroup{}
	ready.Add(len(responses))
	var done sync.WaitGroup
	for i := range responses {
		r := nth(i)
		done.Go(func() {
			ready.Done()
			ready.Wait()
			responses[i] = send(h, r)
		})
	}
	done.Wait()
	return responses[:]
}

// A client that hangs up while its call is being taken gets it taken whole.
func TestHangingUpNeverCancels(t *testing.T) {
	g := newGateway(t)
	ctx, hangUp := context.WithCancel(t.Context())
	g.ledger.FailAfter = func(e sallyport.Entry) error {
		if e.Kind == sallyport.EntryReceived {
			hangUp()
		}
		return nil
	}
	send(g.server(t).Handler(), request(t, http.MethodPost, "/v1/calls", slowBody).WithContext(ctx))
	page, err := g.ledger.Calls(t.Context(), sallyport.Query{})
	if err != nil || len(page.Records) != 1 || page.Records[0].State != sallyport.StateRunning {
		t.Errorf("%+v, %v; want one call at work", page.Records, err)
	}
}

// The end that giving up writes must not cut off a call that did start.
func TestStartFails(t *testing.T) {
	for name, tt := range map[string]struct {
		reason, body, key string
		down              []string
		status            int
		state             sallyport.State
	}{
		"NothingHappened": {reason: "without a key the agent cannot send it again, so it ends", body: readBody, down: []string{"temporal"}, status: 503, state: sallyport.StateCancelled},
		"KeyedStays":      {reason: "it can be sent again", body: readBody, key: "k", down: []string{"temporal"}, status: 503, state: sallyport.StatePending},
		"AnswerLost":      {reason: "it ran, and the response says so", body: readBody, down: []string{"answer"}, status: 200, state: sallyport.StateSucceeded},
		"AnswerLostEarly": {reason: "it has not begun, and now never will", body: queueBody, down: []string{"answer"}, status: 503, state: sallyport.StateCancelled},
		"AnswerLostLate":  {reason: "it is at work", body: slowBody, down: []string{"answer"}, status: 202, state: sallyport.StateRunning},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			for _, what := range tt.down {
				g.down.set(what, true)
			}
			r := request(t, http.MethodPost, "/v1/calls", tt.body, "Prefer", "wait=0")
			if tt.key != "" {
				r.Header.Set("Idempotency-Key", tt.key)
			}
			w := send(g.server(t).Handler(), r)
			a := decode(t, w)
			record, err := g.ledger.Call(t.Context(), a.ID+a.CallID)
			if err != nil || w.Code != tt.status || record.State != tt.state {
				t.Errorf("%d %s; the ledger says %s, %v; want %d and %s: %s", w.Code, w.Body, record.State, err, tt.status, tt.state, tt.reason)
			}
		})
	}
}

// The time that ran out for Start has not run out for the end.
func TestStartTakesTooLong(t *testing.T) {
	g := newGateway(t)
	g.options.Timeouts.Handover = 50 * time.Millisecond
	g.options.Calls = hanging{g.workflow}
	w := send(g.server(t).Handler(), request(t, http.MethodPost, "/v1/calls", readBody))
	record, err := g.ledger.Call(t.Context(), decode(t, w).CallID)
	if w.Code != http.StatusServiceUnavailable || err != nil || record.State != sallyport.StateCancelled {
		t.Errorf("%d %s; the ledger says %s, %v", w.Code, w.Body, record.State, err)
	}
}

type hanging struct{ *workflow }

func (hanging) Start(ctx context.Context, _ sallyport.SignedCall, _ sallyport.Call) error {
	<-ctx.Done()
	return ctx.Err()
}

// When not even the end can be written, the response does not say that it was.
func TestGivingUpFails(t *testing.T) {
	g := newGateway(t)
	g.workflow.during = func(string) { g.down.set("temporal", true); g.down.set("ledger", true) }
	w := send(g.server(t).Handler(), request(t, http.MethodPost, "/v1/calls", readBody))
	if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "nothing was run") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	record, err := g.ledger.Call(t.Context(), decode(t, w).CallID)
	if err != nil || record.State != sallyport.StatePending {
		t.Errorf("%s, %v; want it pending, for the sweeper", record.State, err)
	}
}

// A source of randomness that repeats itself must not show one agent
// another's call.
func TestRepeatedRandom(t *testing.T) {
	g := newGateway(t)
	g.options.Random = zeros{}
	h := g.server(t).Handler()
	send(h, request(t, http.MethodPost, "/v1/calls", readBody))
	w := send(h, request(t, http.MethodPost, "/v1/calls", readBody, "Authorization", "Bearer triage-bot"))
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "manifest") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Internal errors are for the log alone.
func TestInternalErrorsAreNotShown(t *testing.T) {
	for name, breakIt := range map[string]func(*gateway){
		"Error": func(g *gateway) { g.options.Signer = brokenSigner{} },
		"Panic": func(g *gateway) { g.options.Signer = panickingSigner{} },
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			breakIt(g)
			w := send(g.server(t).Handler(), request(t, http.MethodPost, "/v1/calls", readBody))
			if w.Code != http.StatusInternalServerError || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("%d %s", w.Code, w.Header())
			}
			if strings.Contains(w.Body.String(), "hsm") || !strings.Contains(g.log.String(), "hsm") {
				t.Errorf("response %s\nlog %s", w.Body, g.log)
			}
		})
	}
}

type brokenSigner struct{ signer }

func (brokenSigner) SignCall(sallyport.Call) (sallyport.SignedCall, error) {
	return "", errors.New("hsm: PIN locked")
}

type panickingSigner struct{ signer }

func (panickingSigner) SignCall(sallyport.Call) (sallyport.SignedCall, error) {
	panic("hsm: nil session")
}

// A body without end is not read to its end.
func TestEndlessBody(t *testing.T) {
	g := newGateway(t)
	body := &endless{}
	r := request(t, http.MethodPost, "/v1/calls", "")
	r.Body, r.ContentLength = io.NopCloser(body), -1
	w := send(g.server(t).Handler(), r)
	if w.Code != http.StatusRequestEntityTooLarge || body.read > 80<<10 {
		t.Errorf("%d after %d bytes", w.Code, body.read)
	}
}

type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	copy(p, bytes.Repeat([]byte(" "), len(p)))
	e.read += len(p)
	return len(p), nil
}
