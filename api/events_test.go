package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
)

// happened is one event of a stream.
type happened struct {
	name, id string
	call     struct{ ID, State string }
}

// watch opens a stream of a call, and sends its events until it ends.
func watch(t *testing.T, url, last string) <-chan happened {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer deploy-bot")
	r.Header.Set("Last-Event-ID", last)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || got != "text/event-stream" {
		t.Fatalf("%s, %s", resp.Status, got)
	}
	events := make(chan happened)
	go func() {
		defer resp.Body.Close()
		defer close(events)
		var e happened
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			field, value, _ := strings.Cut(lines.Text(), ": ")
			switch field {
			case "event":
				e.name = value
			case "id":
				e.id = value
			case "data":
				if err := json.Unmarshal([]byte(value), &e.call); err != nil {
					t.Errorf("%v: %s", err, value)
				}
			case "":
				if e.name == "" { // it said how soon to come again
					continue
				}
				select {
				case events <- e:
					e = happened{}
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return events
}

// TestEvents: a stream shows the call as it is, each step, and then ends. Another
// goes on after the last event.
func TestEvents(t *testing.T) {
	g := newGateway(t)
	server := httptest.NewServer(g.server(t).Handler())
	t.Cleanup(server.Close)
	call := decode(t, send(server.Config.Handler, request(t, http.MethodPost, "/v1/calls", slowBody, "Prefer", "wait=0")))
	url := server.URL + "/v1/calls/" + call.ID + "/events"
	events := watch(t, url, "")
	first := <-events
	for first.call.State != string(sallyport.StateRunning) { // it may not have been yet
		first = <-events
	}
	if first.name != "call" || first.call.ID != call.ID || first.id == "" {
		t.Fatalf("the first event is %+v", first)
	}
	again := watch(t, url, first.id)
	g.workflow.end(t.Context(), call.ID, sallyport.Outcome{State: sallyport.StateFailed})
	for name, stream := range map[string]<-chan happened{"the stream": events, "another": again} {
		last, ok := <-stream
		if !ok || last.call.State != string(sallyport.StateFailed) || last.id == first.id {
			t.Errorf("%s goes on with %+v", name, last)
		}
		if more, ok := <-stream; ok {
			t.Errorf("%s does not end: %+v", name, more)
		}
	}
}

// TestEventsCountAsWaiting: streams draw from the places of requests that wait, and
// give them back.
func TestEventsCountAsWaiting(t *testing.T) {
	g := newGateway(t)
	g.options.MaxWait = time.Second
	h := g.server(t).Handler()
	call := decode(t, send(h, request(t, http.MethodPost, "/v1/calls", slowBody, "Prefer", "wait=0")))
	for range 3 {
		done := make(chan int, 300)
		for range cap(done) {
			go func() {
				done <- send(h, request(t, http.MethodGet, "/v1/calls/"+call.ID+"/events", "")).Code
			}()
		}
		counts := map[int]int{}
		for range cap(done) {
			counts[<-done]++
		}
		if counts[http.StatusOK] == 0 || counts[http.StatusOK]+counts[http.StatusTooManyRequests] != cap(done) {
			t.Fatalf("%v", counts)
		}
	}
}

// TestHead: HEAD is GET without the body.
func TestHead(t *testing.T) {
	server := httptest.NewServer(newGateway(t).server(t).Handler())
	t.Cleanup(server.Close)
	for _, path := range []string{"/v1/calls", "/v1/tools", "/healthz", "/readyz", "/openapi.yaml", "/v1/calls/none"} {
		answers := map[string]*http.Response{}
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer deploy-bot")
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			answers[method] = resp
		}
		get, head := answers[http.MethodGet], answers[http.MethodHead]
		if get.StatusCode != head.StatusCode || get.Header.Get("Content-Type") != head.Header.Get("Content-Type") || head.ContentLength != get.ContentLength {
			t.Errorf("%s: GET %d, %d bytes; HEAD %d, %d bytes", path, get.StatusCode, get.ContentLength, head.StatusCode, head.ContentLength)
		}
	}
}

// TestRateLimitHeaders: each answer to an identity says what is left of its share.
func TestRateLimitHeaders(t *testing.T) {
	g := newGateway(t)
	g.options.RateLimit.PerSecond, g.options.RateLimit.Burst = 2, 3
	h := g.server(t).Handler()
	for i, want := range []string{`"calls";r=2;t=1`, `"calls";r=1;t=1`, `"calls";r=0;t=2`, `"calls";r=0;t=2`} {
		w := send(h, request(t, http.MethodPost, "/v1/decisions", readBody))
		if got := w.Header().Get("RateLimit"); got != want || w.Header().Get("RateLimit-Policy") != `"calls";q=3;w=2` {
			t.Errorf("request %d: %d, %q of %q, want %q", i, w.Code, got, w.Header().Get("RateLimit-Policy"), want)
		}
	}
	if got := send(h, request(t, http.MethodGet, "/healthz", "")).Header().Get("RateLimit"); got != "" {
		t.Errorf("a route without a token says %q", got)
	}
}
