package api_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
)

// noting notes what is asked of a reader, and what it returns.
type noting struct {
	sallyport.Reader

	noted []string
}

func (n *noting) note(what string, found int, err error) {
	n.noted = append(n.noted, fmt.Sprintf("%s: %d calls, %s", what, found, sallyport.CodeOf(err)))
}

func (n *noting) Call(ctx context.Context, id string) (sallyport.Record, error) {
	r, err := n.Reader.Call(ctx, id)
	n.note("Call", min(r.Entries, 1), err)
	return r, err
}

func (n *noting) Await(ctx context.Context, id string, seen int) (sallyport.Record, error) {
	r, err := n.Reader.Await(ctx, id, seen)
	n.note("Await", min(r.Entries, 1), err)
	return r, err
}

func (n *noting) Calls(ctx context.Context, q sallyport.Query) (sallyport.Page, error) {
	p, err := n.Reader.Calls(ctx, q)
	n.note("Calls", len(p.Records), err)
	return p, err
}

// TestForeignCallsAreNotRead: for a call of another agent the ledger reads as much
// as for one that there is not, and the answers are the same, byte by byte. An id
// follows from an agent's account and its Idempotency-Key: what tells whether there
// is a call tells its agent's keys.
func TestForeignCallsAreNotRead(t *testing.T) {
	g := newGateway(t)
	notes := &noting{Reader: g.options.Reader}
	g.options.Reader = notes
	h := g.server(t).Handler()
	body := `{"tool": "gitops_scale_deployment", "arguments": {"environment": "production", "name": "api", "replicas": 5}}`
	id := decode(t, send(h, request(t, http.MethodPost, "/v1/calls", body, "Idempotency-Key", "k"))).ID
	for _, route := range []struct{ method, path, prefer string }{
		{http.MethodGet, "", "wait=0"}, {http.MethodGet, "", "wait=30"}, {http.MethodGet, "/proof", "wait=0"}, {http.MethodPost, "/cancel", "wait=0"},
	} {
		type seen struct {
			Status int
			Body   string
			Noted  []string
		}
		ask := func(id string) seen {
			notes.noted = nil
			w := send(h, request(t, route.method, "/v1/calls/"+id+route.path, "", "Authorization", "Bearer triage-bot", "Prefer", route.prefer))
			return seen{w.Code, w.Body.String(), notes.noted}
		}
		want, got := ask("aaaaaaaaaaaaaaaaaaaaaaaaaa"), ask(id)
		if d := cmp.Diff(want, got); d != "" || got.Status != http.StatusNotFound {
			t.Errorf("%s %s: %d (-unknown +of another agent)\n%s", route.method, route.path, got.Status, d)
		}
	}
}

// lying finds any call as if the agent that asks had made it.
type lying struct{ sallyport.Reader }

func (l lying) Calls(ctx context.Context, q sallyport.Query) (sallyport.Page, error) {
	agent := q.Agent
	q.Agent = ""
	p, err := l.Reader.Calls(ctx, q)
	for i := range p.Records {
		p.Records[i].Call.AgentID = agent
	}
	return p, err
}

// TestSummariesGrantNothing: what a row of the projection says of a call's agent
// shows no call to another one. The call's entries decide.
func TestSummariesGrantNothing(t *testing.T) {
	g := newGateway(t)
	g.options.Reader = lying{g.options.Reader}
	h := g.server(t).Handler()
	id := decode(t, send(h, request(t, http.MethodPost, "/v1/calls", readBody))).ID
	r := request(t, http.MethodGet, "/v1/calls/"+id, "")
	r.Header.Set("Authorization", "Bearer triage-bot")
	if w := send(h, r); w.Code != http.StatusNotFound {
		t.Errorf("another agent gets the call: %d\n%s", w.Code, w.Body)
	}
}
