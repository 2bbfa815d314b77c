package integration

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/dev/temporaltest"
	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/sallyporttest/workflowstest"
	"github.com/sallyport/sallyport/workflows/wire"
)

// record is a directory to which the histories of every path are written,
// where the replay tests of package workflows find them.
var record = flag.String("record", "", "write histories to this `directory`")

// TestEveryPath takes a call along every path through the workflow.
func TestEveryPath(t *testing.T) {
	g := startWith(t, temporaltest.Options{}, true)
	asks := func(n, ttl int) sallyport.Decision {
		d := workflowstest.Asks(n)
		d.Approval.TTLSeconds = ttl
		return d
	}
	allow := sallyport.Decision{Effect: sallyport.Allow, Revision: "r1"}
	vote := func(person string, v sallyport.Verdict) func(string) {
		return func(id string) { _ = g.calls.Vote(t.Context(), id, g.Attest(id, person, v)) }
	}
	for _, tt := range []struct {
		name     string
		tool     string
		decision sallyport.Decision
		run      sallyporttest.RunFunc
		waiting  []func(id string) // what happens while the call waits
		state    sallyport.State
	}{
		{name: "allowed", tool: "write", decision: allow, state: sallyport.StateSucceeded},
		{name: "planned", tool: "planned", decision: allow, state: sallyport.StateSucceeded},
		{name: "failed", tool: "write", decision: allow, run: sallyporttest.EndAs(sallyport.StateFailed), state: sallyport.StateFailed},
		{name: "ambiguous", tool: "write", decision: allow, run: sallyporttest.EndAs(sallyport.StateAmbiguous), state: sallyport.StateAmbiguous},
		{name: "invalid", tool: "nothing", decision: allow, state: sallyport.StateInvalid},
		{name: "denied", tool: "write", decision: sallyport.Decision{Effect: sallyport.Deny, Reasons: []sallyport.Reason{{Code: "no"}}}, state: sallyport.StateDenied},
		{
			name: "approved_by_vote", tool: "write", decision: asks(1, 3600), state: sallyport.StateSucceeded,
			waiting: []func(string){vote("alice", sallyport.Approve), vote("bob", sallyport.Approve)},
		},
		{
			name: "approved_by_signal", tool: "write", decision: asks(2, 3600), state: sallyport.StateSucceeded,
			waiting: []func(string){
				func(id string) { g.signal("bob", id, sallyport.Approve, sallyport.NewDigest("another")) },
				func(id string) { g.signal("bob", id, sallyport.Approve, g.Read(id).Ballot.Digest()) },
				func(id string) { g.signal("carol", id, sallyport.Approve, g.Read(id).Ballot.Digest()) },
			},
		},
		{
			name: "approved_without_plan", tool: "read", decision: asks(1, 3600), state: sallyport.StateSucceeded,
			waiting: []func(string){vote("bob", sallyport.Approve)},
		},
		{
			name: "drifted", tool: "write", decision: asks(1, 3600), state: sallyport.StateDenied,
			waiting: []func(string){func(id string) {
				token := g.Attest(id, "bob", sallyport.Approve)
				g.Policy.Set(asks(2, 3600), nil)
				_ = g.calls.Vote(t.Context(), id, token)
			}},
		},
		{name: "rejected", tool: "write", decision: asks(1, 3600), waiting: []func(string){vote("bob", sallyport.Reject)}, state: sallyport.StateRejected},
		{name: "expired", tool: "write", decision: asks(1, 1), state: sallyport.StateExpired},
		{
			name: "cancelled", tool: "write", decision: asks(1, 3600), state: sallyport.StateCancelled,
			waiting: []func(string){func(id string) { _ = g.calls.Cancel(t.Context(), id, sallyport.Identity{}) }},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g.Policy.Set(tt.decision, nil)
			g.Runner.RunFunc = tt.run
			call := g.submit(tt.tool)
			for _, do := range tt.waiting {
				g.untilState(call.ID, sallyport.StateAwaitingApproval)
				do(call.ID)
			}
			rec := g.until(call.ID, string(tt.state), func(r sallyport.Record) bool { return r.State.Final() })
			if rec.State != tt.state {
				t.Fatalf("the call ended as %s, want %s: %+v", rec.State, tt.state, rec.Outcome)
			}
			if err := g.awaitClosed(call.ID); err != nil {
				t.Fatal(err)
			}
			if *record != "" {
				g.save(t.Context(), call.ID, filepath.Join(*record, tt.name+".json"))
			}
		})
	}
}

// save writes a call's history as the SDK's replayer reads it.
func (g *gateway) save(ctx context.Context, id, path string) {
	g.t.Helper()
	h := &historypb.History{}
	events := g.raw.GetWorkflowHistory(ctx, wire.WorkflowID(id), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			g.t.Fatal(err)
		}
		h.Events = append(h.Events, e)
	}
	b, err := protojson.Marshal(h)
	if err != nil {
		g.t.Fatal(err)
	}
	var indented json.RawMessage = b
	if b, err = json.MarshalIndent(indented, "", " "); err != nil {
		g.t.Fatal(err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
		g.t.Fatal(err)
	}
}
