package integration

import (
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/dev/temporaltest"
	"github.com/sallyport/sallyport/sallyporttest/postgrestest"
	"github.com/sallyport/sallyport/sallyporttest/workflowstest"
)

// TestOnPostgres walks an allowed and an approved call through with a server
// on PostgreSQL, which is killed while the second one waits.
func TestOnPostgres(t *testing.T) {
	pg := postgrestest.Start(t)
	g := start(t, temporaltest.Options{Postgres: temporaltest.OnPostgres(t, pg)})
	allowed := g.submit("write")
	g.untilState(allowed.ID, sallyport.StateSucceeded)
	g.WantEnd(allowed.ID, sallyport.StateSucceeded, "")

	g.Policy.Set(workflowstest.Asks(1), nil)
	call := g.submit("write")
	ballot := g.untilState(call.ID, sallyport.StateAwaitingApproval).Ballot.Digest()
	g.server.Kill(t)
	g.server.Restart(t)
	g.signal("alice", call.ID, sallyport.Approve, ballot) // alice owns the agent
	rec := g.until(call.ID, "refusing the owner", func(r sallyport.Record) bool { return len(r.Refusals) == 1 })
	if got := rec.Refusals[0].Code; got != "own_agent" {
		t.Errorf("the owner's vote is refused as %s", got)
	}
	g.signal("bob", call.ID, sallyport.Approve, ballot)
	rec = g.untilState(call.ID, sallyport.StateSucceeded)
	g.WantEnd(call.ID, sallyport.StateSucceeded, "")
	if len(rec.Votes) != 1 || rec.Votes[0].Person != "bob" || rec.Votes[0].Evidence.Class != sallyport.TemporalPrincipal {
		t.Errorf("the votes are %+v, want bob's, by the server's word", rec.Votes)
	}
	if n := g.Runner.Effects(call.ID); n != 1 {
		t.Errorf("%d effects", n)
	}
}
