package integration

import (
	"bytes"
	"strings"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/dev/temporaltest"
	"github.com/sallyport/sallyport/sallyporttest/workflowstest"
	"github.com/sallyport/sallyport/workflows/wire"
)

// history is a call's history as the server keeps it.
func (g *gateway) history(id string) []byte {
	g.t.Helper()
	var b bytes.Buffer
	events := g.raw.GetWorkflowHistory(g.t.Context(), wire.WorkflowID(id), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			g.t.Fatal(err)
		}
		j, err := protojson.Marshal(e)
		if err != nil {
			g.t.Fatal(err)
		}
		b.Write(j)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

func TestAllowed(t *testing.T) {
	g := start(t, temporaltest.Options{})
	call := g.submit("write")
	g.untilState(call.ID, sallyport.StateSucceeded)
	if err := g.awaitClosed(call.ID); err != nil {
		t.Fatal(err)
	}
	g.WantEnd(call.ID, sallyport.StateSucceeded, "")
	if n := g.Runner.Effects(call.ID); n != 1 {
		t.Errorf("%d effects", n)
	}
	h := string(g.history(call.ID))
	for _, secret := range []string{"latency", "rm -rf", "replicas", "production", "alice"} {
		if strings.Contains(h, secret) {
			t.Errorf("the history says %q in the clear", secret)
		}
	}
	t.Logf("the history has %d events and %d bytes as JSON", strings.Count(h, "\n"), len(h))
}

// TestStartTwice hands the same call over many times, also after it ended.
func TestStartTwice(t *testing.T) {
	g := start(t, temporaltest.Options{})
	call, signed := g.Call("write")
	for range 3 {
		if err := g.calls.Start(t.Context(), signed, call); err != nil {
			t.Fatal(err)
		}
	}
	g.untilState(call.ID, sallyport.StateSucceeded)
	if err := g.awaitClosed(call.ID); err != nil {
		t.Fatal(err)
	}
	if err := g.calls.Start(t.Context(), signed, call); err != nil {
		t.Fatal(err)
	}
	if n := g.Runner.Runs(call.ID); n != 1 {
		t.Errorf("it ran %d times", n)
	}
}

// signal is a person's signal in the Temporal UI.
func (g *gateway) signal(person, callID string, v sallyport.Verdict, ballot sallyport.Digest) {
	g.t.Helper()
	o := g.server.Person(person)
	o.Identity = "test"
	c := g.server.Dial(g.t, o)
	paper := map[string]string{"verdict": string(v), "ballot": string(ballot), "reason": "looks fine"}
	if err := c.SignalWorkflow(g.t.Context(), wire.WorkflowID(callID), "", wire.ApproveSignal, paper); err != nil {
		g.t.Fatalf("%s can't signal: %v", person, err)
	}
}

func TestApprovedBySignal(t *testing.T) {
	g := start(t, temporaltest.Options{})
	g.Policy.Set(workflowstest.Asks(2), nil)
	call := g.submit("write")
	waiting := g.untilState(call.ID, sallyport.StateAwaitingApproval)
	ballot := waiting.Ballot.Digest()

	g.signal("alice", call.ID, sallyport.Approve, ballot) // the owner
	g.signal("bob", call.ID, sallyport.Approve, sallyport.NewDigest("another ballot"))
	g.signal("bob", call.ID, sallyport.Approve, ballot)
	g.signal("bob", call.ID, sallyport.Approve, ballot) // again
	rec := g.until(call.ID, "refusing three", func(r sallyport.Record) bool { return len(r.Refusals) == 3 })
	if rec.State != sallyport.StateAwaitingApproval || len(rec.Votes) != 1 {
		t.Fatalf("the call is %s with votes %+v", rec.State, rec.Votes)
	}
	for i, code := range []string{"own_agent", "other_ballot", "already_voted"} {
		if got := rec.Refusals[i].Code; got != code {
			t.Errorf("refusal %d is %s, want %s", i, got, code)
		}
	}
	if err := g.calls.Vote(t.Context(), call.ID, g.Attest(call.ID, "carol", sallyport.Approve)); err != nil {
		t.Fatal(err)
	}
	rec = g.untilState(call.ID, sallyport.StateSucceeded)
	g.WantEnd(call.ID, sallyport.StateSucceeded, "")
	want := []sallyport.EvidenceClass{sallyport.TemporalPrincipal, sallyport.APIAttested}
	for i, v := range rec.Votes {
		if v.Evidence.Class != want[i] {
			t.Errorf("vote %d is %s, want %s", i, v.Evidence.Class, want[i])
		}
	}
	if err := g.calls.Vote(t.Context(), call.ID, g.Attest(call.ID, "carol", sallyport.Approve)); sallyport.CodeOf(err) != "not_waiting" {
		t.Errorf("a vote after the end: %v", err)
	}
}

func TestCancel(t *testing.T) {
	g := start(t, temporaltest.Options{})

	g.Policy.Set(workflowstest.Asks(1), nil)
	waiting := g.submit("write")
	g.untilState(waiting.ID, sallyport.StateAwaitingApproval)
	if err := g.calls.Cancel(t.Context(), waiting.ID, sallyport.Identity{}); err != nil {
		t.Fatal(err)
	}
	g.untilState(waiting.ID, sallyport.StateCancelled)
	g.WantEnd(waiting.ID, sallyport.StateCancelled, "cancelled")

	g.Policy.Set(sallyport.Decision{Effect: sallyport.Allow}, nil)
	ended := g.submit("write")
	g.untilState(ended.ID, sallyport.StateSucceeded)
	if err := g.awaitClosed(ended.ID); err != nil {
		t.Fatal(err)
	}
	if err := g.calls.Cancel(t.Context(), ended.ID, sallyport.Identity{}); sallyport.KindOf(err) != sallyport.Conflict {
		t.Errorf("cancelling what has ended: %v", err)
	}
	if err := g.calls.Cancel(t.Context(), sallyport.CallID([16]byte{7}), sallyport.Identity{}); sallyport.KindOf(err) != sallyport.NotFound {
		t.Errorf("cancelling nothing: %v", err)
	}
}
