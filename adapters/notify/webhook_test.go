package notify_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/notify"
	"github.com/sallyport/sallyport/sallyporttest"
)

var (
	noon = time.Date(2026, time.November, 21, 12, 0, 0, 0, time.UTC)
	// newKey and oldKey are secrets as their files have them.
	newKey = "whsec_" + base64.StdEncoding.EncodeToString([]byte("a secret that has 32 bytes, okay"))
	oldKey = base64.StdEncoding.EncodeToString([]byte("an older one of 24 bytes"))
)

// receiver is a server that notes what it gets.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	respond func(http.ResponseWriter)
	got     []request
}

type request struct {
	header http.Header
	body   []byte
	taken  bool
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	note := statusNoter{ResponseWriter: w, status: http.StatusOK}
	if r.respond != nil {
		r.respond(&note)
	}
	r.got = append(r.got, request{req.Header, body, note.status/100 == 2})
}

type statusNoter struct {
	http.ResponseWriter
	status int
}

func (n *statusNoter) WriteHeader(status int) {
	n.status = status
	n.ResponseWriter.WriteHeader(status)
}

// status has the receiver respond with a status and headers.
func (r *receiver) status(status int, headers ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.respond = func(w http.ResponseWriter) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
	}
}

func (r *receiver) requests() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

func (r *receiver) taken() []sallyporttest.Taken {
	var all []sallyporttest.Taken
	for _, q := range r.requests() {
		if q.taken {
			all = append(all, sallyporttest.Taken{ID: q.header.Get("webhook-id"), Content: string(q.body)})
		}
	}
	return all
}

func options(t *testing.T, url string) notify.Options {
	t.Helper()
	o := notify.Options{URL: url, Source: "urn:sallyport:ledger:test", Now: func() time.Time { return noon }}
	for _, text := range []string{newKey, oldKey} {
		key, err := notify.ParseSecret(text + "\n")
		if err != nil {
			t.Fatal(err)
		}
		o.Secrets = append(o.Secrets, key)
	}
	return o
}

func webhook(t *testing.T, o notify.Options) *notify.Webhook {
	t.Helper()
	w, err := notify.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWebhookKeepsTheContract(t *testing.T) {
	sallyporttest.TestNotifier(t, func(t *testing.T) sallyporttest.NotifierSubject {
		r := newReceiver(t)
		return sallyporttest.NotifierSubject{
			Notifier: webhook(t, options(t, r.URL)),
			Respond: func(a sallyporttest.Response) {
				r.status(map[sallyporttest.Response]int{sallyporttest.Takes: 204, sallyporttest.Fails: 500, sallyporttest.Refuses: 410}[a])
			},
			Taken: r.taken,
		}
	})
}

// TestSignature computes the signatures again, from the words of Standard
// Webhooks: base64 of HMAC-SHA256 over "id.timestamp.body".
func TestSignature(t *testing.T) {
	r := newReceiver(t)
	r.status(http.StatusInternalServerError)
	n := sallyporttest.Requested(1)
	o := options(t, r.URL)
	clock := noon
	o.Now = func() time.Time { return clock }
	w := webhook(t, o)
	if err := w.Notify(t.Context(), n); err == nil {
		t.Error("500 is no success")
	}
	clock = noon.Add(time.Minute)
	r.status(http.StatusOK)
	if err := w.Notify(t.Context(), n); err != nil {
		t.Error(err)
	}
	got := r.requests()
	if len(got) != 2 || got[0].header.Get("webhook-id") != n.ID || got[1].header.Get("webhook-id") != n.ID || !bytes.Equal(got[0].body, got[1].body) {
		t.Fatalf("%d attempts; want two with the same id %s and the same body", len(got), n.ID)
	}
	for i, q := range got {
		at := fmt.Sprint(noon.Add(time.Duration(i) * time.Minute).Unix())
		var want []string
		for _, key := range []string{"a secret that has 32 bytes, okay", "an older one of 24 bytes"} {
			mac := hmac.New(sha256.New, []byte(key))
			fmt.Fprintf(mac, "%s.%s.%s", n.ID, at, q.body)
			want = append(want, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		}
		if d := cmp.Diff(strings.Join(want, " "), q.header.Get("webhook-signature")); d != "" {
			t.Errorf("attempt %d (-want +got)\n%s", i+1, d)
		}
		if got := q.header.Get("webhook-timestamp"); got != at {
			t.Errorf("attempt %d at %s, want %s", i+1, got, at)
		}
	}
}

// TestEvent looks at all of one event, and at its message.
func TestEvent(t *testing.T) {
	r := newReceiver(t)
	n := sallyporttest.Requested(1)
	n.Link = "https://temporal.example.com/x"
	if err := webhook(t, options(t, r.URL)).Notify(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	q := r.requests()[0]
	if got := q.header.Get("Content-Type"); !strings.HasPrefix(got, "application/cloudevents+json") {
		t.Errorf("Content-Type %q is not that of a structured event", got)
	}
	var got map[string]any
	if err := json.Unmarshal(q.body, &got); err != nil {
		t.Fatal(err)
	}
	data, _ := got["data"].(map[string]any)
	message, _ := data["text"].(string)
	delete(data, "text")
	want := map[string]any{
		"specversion": "1.0", "id": n.ID, "source": "urn:sallyport:ledger:test", "type": "io.github.sallyport.approval.requested.v1",
		"subject": n.CallID, "time": "2026-11-21T22:00:01Z", "datacontenttype": "application/json",
		"data": map[string]any{
			"call_id": n.CallID, "agent": "deploy-bot", "owner": "alice", "tool": "gitops_scale_deployment",
			"action": "scale", "resource": "deployment", "namespace": "production", "name": "api", "link": n.Link,
			"reasons": []any{map[string]any{"code": "production_write", "message": "writes in production need approval"}},
			"ballot": map[string]any{
				"digest": string(n.Ballot), "groups": []any{"sre"}, "quorum": 1., "evidence": []any{"api-attested"}, "expires_at": "2026-11-21T22:15:01Z",
			},
			"untrusted": map[string]any{"plan_summary": "replicas 3 → 5", "claimed_reason": "p95 latency above the objective"},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	wantText := "**Approval requested**: `production/api`, `scale` `deployment` by agent `deploy-bot`\n\n" +
		"- call: `" + n.CallID + "`\n- tool: `gitops_scale_deployment`\n- quoted from the tool's plan (untrusted): `replicas 3 → 5`\n" +
		"- why policy asks: `production_write` `writes in production need approval`\n" +
		"- who may vote: `sre` (1 needed), but not `alice`, who owns the agent\n- open until: 2026-11-21T22:15:01Z\n" +
		"- ballot: `" + string(n.Ballot) + "`\n- the agent's own words (untrusted): `p95 latency above the objective`\n" +
		"- before you vote: compare the ballot above with the one that you are shown, and read the call there: this message is no ground for a vote\n" +
		"- look and vote: <https://temporal.example.com/x>\n"
	if d := cmp.Diff(wantText, message); d != "" {
		t.Errorf("the message (-want +got)\n%s", d)
	}
}

func TestAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		reason     string
		status     int
		header     []string
		want       sallyport.Kind // of the error; "" is none
		retryAfter time.Duration
	}{
		"OK":        {"taken", 200, nil, "", 0},
		"Accepted":  {"taken", 202, nil, "", 0},
		"Gone":      {"the specification's way to say no more", 410, nil, sallyport.Denied, 0},
		"BadEvent":  {"it will be as bad the next time", 400, nil, sallyport.Denied, 0},
		"TooLarge":  {"so will its size", 413, nil, sallyport.Denied, 0},
		"Forbidden": {"secrets may be rotated here first", 403, nil, sallyport.Unavailable, 0},
		"NotThere":  {"it may be deployed later", 404, nil, sallyport.Unavailable, 0},
		"Timeout":   {"the receiver was slow to read", 408, nil, sallyport.Unavailable, 0},
		"TooEarly":  {"try again", 425, nil, sallyport.Unavailable, 0},
		"TooMany":   {"after as long as it says", 429, []string{"Retry-After", "120"}, sallyport.Unavailable, 2 * time.Minute},
		"Date":      {"or until when it says", 503, []string{"Retry-After", "Sat, 21 Nov 2026 12:00:30 GMT"}, sallyport.Unavailable, 30 * time.Second},
		"Past":      {"which may be over", 503, []string{"Retry-After", "Sat, 21 Nov 2026 11:00:30 GMT"}, sallyport.Unavailable, 0},
		"Forever":   {"but not for ever", 503, []string{"Retry-After", "4000000000"}, sallyport.Unavailable, time.Hour},
		"Nonsense":  {"and not whatever", 503, []string{"Retry-After", "-1"}, sallyport.Unavailable, 0},
		"Broken":    {"it may be mended", 500, nil, sallyport.Unavailable, 0},
		"Redirect":  {"what is signed for one receiver is not for another", 307, []string{"Location", "/elsewhere"}, sallyport.Unavailable, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t)
			r.status(tt.status, tt.header...)
			err := webhook(t, options(t, r.URL)).Notify(t.Context(), sallyporttest.Requested(1))
			if got := sallyport.KindOf(err); got != tt.want {
				t.Errorf("%d gives %v, want kind %q: %s", tt.status, err, tt.want, tt.reason)
			}
			if e := sallyport.AsError(err); e != nil && e.RetryAfter != tt.retryAfter {
				t.Errorf("it is tried again after %s, want %s: %s", e.RetryAfter, tt.retryAfter, tt.reason)
			}
			if n := len(r.requests()); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
		})
	}
}

// TestSlowReceiver lets a receiver take its time, before its response and in the
// middle of it.
func TestSlowReceiver(t *testing.T) {
	for name, begin := range map[string]bool{"NoAnswer": false, "HalfAnAnswer": true} {
		t.Run(name, func(t *testing.T) {
			release := make(chan struct{})
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if begin {
					w.WriteHeader(http.StatusInternalServerError)
					_ = http.NewResponseController(w).Flush()
				}
				<-release
			}))
			defer s.Close()
			defer close(release)
			o := options(t, s.URL+"/path-that-few-know")
			o.Timeout = 50 * time.Millisecond
			err := webhook(t, o).Notify(t.Context(), sallyporttest.Requested(1))
			if sallyport.KindOf(err) != sallyport.Unavailable {
				t.Errorf("%v; want an error after which it is tried again", err)
			}
			if strings.Contains(fmt.Sprint(err), "path-that-few-know") {
				t.Errorf("the error gives the URL away: %v", err)
			}
		})
	}
}

// TestEndlessResponse shows that a response is not read to its end.
func TestEndlessResponse(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		for req.Context().Err() == nil {
			if _, err := io.WriteString(w, strings.Repeat("x", 1<<10)); err != nil {
				return
			}
		}
	}))
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	o := options(t, s.URL)
	o.Timeout = time.Minute
	if err := webhook(t, o).Notify(ctx, sallyporttest.Requested(1)); err != nil || ctx.Err() != nil {
		t.Errorf("%v, %v; want it delivered, the status said so", err, ctx.Err())
	}
}

func TestNewRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		reason string
		change func(*notify.Options)
	}{
		"NoSecret":    {"a receiver could not tell an event from a forged one", func(o *notify.Options) { o.Secrets = nil }},
		"ShortSecret": {"it could be guessed", func(o *notify.Options) { o.Secrets = [][]byte{[]byte("short")} }},
		"NoSource":    {"CloudEvents wants one", func(o *notify.Options) { o.Source = "" }},
		"NoClock":     {"signatures have a time", func(o *notify.Options) { o.Now = nil }},
		"PlainText":   {"targets and people's names would travel for all to read", func(o *notify.Options) { o.URL = "http://hooks.example.com/" }},
		"Lookalike":   {"this is not loopback", func(o *notify.Options) { o.URL = "http://127.0.0.1.example.com/" }},
		"Localhost":   {"a resolver decides where a name leads", func(o *notify.Options) { o.URL = "http://localhost/" }},
		"NoHost":      {"it leads nowhere", func(o *notify.Options) { o.URL = "https:///x" }},
		"Scheme":      {"we speak HTTP", func(o *notify.Options) { o.URL = "file://localhost/etc/passwd" }},
		"Password":    {"it would be a secret in the configuration", func(o *notify.Options) { o.URL = "https://u:hunter2@hooks.example.com/" }},
		"NoURL":       {"there must be one", func(o *notify.Options) { o.URL = "" }},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t, "https://hooks.example.com/")
			if _, err := notify.New(o); err != nil {
				t.Fatal(err)
			}
			tt.change(&o)
			if _, err := notify.New(o); err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v; want it refused: %s", err, tt.reason)
			}
		})
	}
}

func TestParseSecretRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"Empty": "", "NoBase64": "whsec_hunter2!", "Short": "aHVudGVyMg==",
		"Long": base64.StdEncoding.EncodeToString(make([]byte, 65)), "PrefixAlone": "whsec_",
	} {
		t.Run(name, func(t *testing.T) {
			if key, err := notify.ParseSecret(text); err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("ParseSecret = %d bytes, %v; want an error that keeps the secret", len(key), err)
			}
		})
	}
}
