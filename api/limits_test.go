package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/api"
)

const askBody = `{"tool": "gitops_scale_deployment", "arguments": {"environment": "production", "name": "api", "replicas": 5}}`

// blocking is a reader whose lists wait until they may go on.
type blocking struct {
	reader

	atWork *atomic.Int64
	goOn   chan struct{}
}

func (b blocking) Calls(ctx context.Context, q sallyport.Query) (sallyport.Page, error) {
	if q.ID != "" { // one call, and no list
		return b.reader.Calls(ctx, q)
	}
	b.atWork.Add(1)
	defer b.atWork.Add(-1)
	select {
	case <-b.goOn:
	case <-ctx.Done():
	}
	return b.reader.Calls(ctx, q)
}

// TestSharesAreApart lets an agent and a person read on many connections: no
// more of them are at work than their share, and nothing else waits for them.
func TestSharesAreApart(t *testing.T) {
	g := newGateway(t)
	slow := blocking{reader: reader{Ledger: g.ledger, down: g.down}, atWork: new(atomic.Int64), goOn: make(chan struct{})}
	g.options.Reader = slow
	h := g.server(t).Handler()
	call := decode(t, send(h, request(t, http.MethodPost, "/v1/calls", askBody, "Prefer", "wait=0")))
	record, err := g.ledger.Call(t.Context(), call.ID)
	if err != nil || record.Ballot == nil {
		t.Fatalf("the call does not wait: %+v, %v", record, err)
	}
	ballot := record.Ballot.Digest()
	const connections, share = 64, 8
	var refused atomic.Int64
	var all sync.WaitGroup
	for _, who := range []string{"deploy-bot", "olga"} {
		for range connections {
			all.Go(func() {
				w := send(h, request(t, http.MethodGet, "/v1/calls", "", "Authorization", "Bearer "+who))
				if w.Code == http.StatusTooManyRequests {
					refused.Add(1)
				} else if w.Code != http.StatusOK {
					t.Errorf("%s: %d %s", who, w.Code, w.Body)
				}
			})
		}
	}
	await(t, "each has its share at work, and the others are refused", func() bool {
		return slow.atWork.Load() == 2*share && refused.Load() == 2*(connections-share)
	})
	for _, tt := range []struct{ who, method, path, body string }{
		{"triage-bot", http.MethodPost, "/v1/calls", readBody},
		{"deploy-bot", http.MethodPost, "/v1/calls", readBody},
		{"bob", http.MethodPost, "/v1/calls/" + call.ID + "/votes", `{"verdict": "approve", "ballot": "` + string(ballot) + `"}`},
		{"olga", http.MethodPost, "/v1/freezes", `{"agent": "deploy-bot", "reason": "it loops"}`},
		{"olga", http.MethodGet, "/v1/freezes", ""},
	} {
		if w := send(h, request(t, tt.method, tt.path, tt.body, "Authorization", "Bearer "+tt.who)); w.Code/100 != 2 {
			t.Errorf("%s %s of %s waits behind reads: %d %s", tt.method, tt.path, tt.who, w.Code, w.Body)
		}
	}
	close(slow.goOn)
	all.Wait()
}

// await waits for a condition.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for tick := time.NewTicker(5 * time.Millisecond); !ok(); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waiting until %s", what)
		}
	}
}

// TestEveryRouteIsLimited sends each request of an identity until its share is
// used up.
func TestEveryRouteIsLimited(t *testing.T) {
	g := newGateway(t)
	few := api.RateLimit{PerSecond: 1.0 / 60, Burst: 10}
	g.options.RateLimit, g.options.ReadLimit = few, few
	g.options.Tiles = api.TilesAnyone
	for _, op := range loadContract(t).operations() {
		method, path, _ := strings.Cut(op, " ")
		if !strings.HasPrefix(path, "/v1/") {
			continue
		}
		t.Run(op, func(t *testing.T) {
			h := g.server(t).Handler()
			path := strings.NewReplacer("{id}", strings.Repeat("a", 26)).Replace(path)
			for _, who := range []string{"deploy-bot", "olga"} {
				statuses := map[int]int{}
				for range 12 {
					w := send(h, request(t, method, path, "{}", "Authorization", "Bearer "+who))
					statuses[w.Code]++
					if w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "" {
						t.Errorf("it does not say when to try again: %s", w.Body)
					}
				}
				if statuses[http.StatusForbidden] < 12 && statuses[http.StatusTooManyRequests] < 2 {
					t.Errorf("%s got %v, want 429 at last", who, statuses)
				}
			}
		})
	}
}

// TestLongPollsAreBounded: a poll beyond the bound is answered at once.
func TestLongPollsAreBounded(t *testing.T) {
	const most = 256
	g := newGateway(t)
	h := g.server(t).Handler()
	call := decode(t, send(h, request(t, http.MethodPost, "/v1/calls", slowBody, "Prefer", "wait=0")))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var ended atomic.Int64
	var all sync.WaitGroup
	for range most + 4 {
		all.Go(func() {
			poll := func() *httptest.ResponseRecorder {
				return send(h, request(t, http.MethodGet, "/v1/calls/"+call.ID, "", "Prefer", "wait=60").WithContext(ctx))
			}
			w := poll()
			for w.Code == http.StatusTooManyRequests { // on a slow machine its turn may come too late
				w = poll()
			}
			if ended.Add(1) <= 4 && (w.Code != http.StatusOK || w.Header().Get("Retry-After") == "") {
				t.Errorf("%d %v", w.Code, w.Header())
			}
		})
	}
	await(t, "those beyond the bound are answered", func() bool { return ended.Load() >= 4 })
	if w := send(h, request(t, http.MethodGet, "/v1/calls/"+call.ID, "")); w.Code != http.StatusOK {
		t.Errorf("a read waits behind polls: %d %s", w.Code, w.Body)
	}
	if n := ended.Load(); n != 4 {
		t.Errorf("%d polls were answered, want 4", n)
	}
	cancel()
	all.Wait()
}

// TestFrozenAgent looks at single calls and cancels them; its calls are taken
// and denied.
func TestFrozenAgent(t *testing.T) {
	g := newGateway(t)
	h := g.server(t).Handler()
	call := decode(t, send(h, request(t, http.MethodPost, "/v1/calls", slowBody, "Prefer", "wait=0")))
	if w := send(h, request(t, http.MethodPost, "/v1/freezes", `{"agent": "deploy-bot", "reason": "it loops"}`, "Authorization", "Bearer olga")); w.Code != http.StatusCreated {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for _, tt := range []struct {
		method, path, body string
		status             int
	}{
		{http.MethodGet, "/v1/calls/" + call.ID, "", http.StatusOK},
		{http.MethodPost, "/v1/calls/" + call.ID + "/cancel", "", http.StatusAccepted},
		{http.MethodGet, "/v1/calls", "", http.StatusForbidden},
		{http.MethodGet, "/v1/calls/" + call.ID + "/proof", "", http.StatusForbidden},
		{http.MethodGet, "/v1/tools", "", http.StatusForbidden},
		{http.MethodPost, "/v1/decisions", readBody, http.StatusForbidden},
	} {
		w := send(h, request(t, tt.method, tt.path, tt.body))
		if w.Code != tt.status || tt.status == http.StatusForbidden && !strings.Contains(w.Body.String(), `"code":"frozen"`) {
			t.Errorf("%s %s: %d %s, want %d", tt.method, tt.path, w.Code, w.Body, tt.status)
		}
	}
	if w := send(h, request(t, http.MethodGet, "/v1/tools", "", "Authorization", "Bearer triage-bot")); w.Code != http.StatusOK {
		t.Errorf("another agent: %d %s", w.Code, w.Body)
	}
}

// TestReadinessIsRemembered: the checks commit to the ledger, and the route takes
// no token.
func TestReadinessIsRemembered(t *testing.T) {
	g := newGateway(t)
	var checks atomic.Int64
	g.options.Ready = []api.Check{{Name: "ledger", Check: func(context.Context) error { checks.Add(1); return g.down.check("ledger") }}}
	h := g.server(t).Handler()
	for n, tt := range []struct {
		down   bool
		later  time.Duration
		status int
		checks int64
	}{
		{false, 0, http.StatusOK, 1},
		{true, 999 * time.Millisecond, http.StatusOK, 1},
		{true, time.Millisecond, http.StatusServiceUnavailable, 2},
		{false, time.Second, http.StatusOK, 3},
	} {
		g.down.set("ledger", tt.down)
		g.clock.advance(tt.later)
		for range 20 {
			if w := send(h, request(t, http.MethodGet, "/readyz", "")); w.Code != tt.status {
				t.Errorf("%d: %d %s, want %d", n, w.Code, w.Body, tt.status)
			}
		}
		if got := checks.Load(); got != tt.checks {
			t.Errorf("%d: %s, want %d", n, fmt.Sprintf("%d checks", got), tt.checks)
		}
	}
}
