package ledger_test

import (
	"context"
	"strconv"
	"sync"
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/sallyporttest"
)

// TestAtWork: of the places for calls at work an agent may take as many as it
// leaves, so that there is one for an agent that has none.
func TestAtWork(t *testing.T) {
	onEach(t, func(t *testing.T, newPlace func(testing.TB) place) {
		t.Run("Shares", func(t *testing.T) { testShares(t, newPlace(t)) })
		t.Run("Race", func(t *testing.T) { testSharesRace(t, newPlace(t)) })
	})
}

func (p place) withPlaces(t *testing.T, places int) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), ledger.Options{Database: p.database(), Signer: p.key, AtWork: places})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, l) })
	return l
}

// receivedOf is the n-th call, made by an agent.
func receivedOf(agent string, n int) sallyport.Entry {
	e := sallyporttest.Approved(n)[0]
	call := *e.Call
	call.AgentID = agent
	e.Call = &call
	return e
}

// stopped is the end of the n-th call, which never ran.
func stopped(n int) sallyport.Entry {
	e := sallyporttest.Approved(n)[0]
	return sallyport.Entry{CallID: e.CallID, Kind: sallyport.EntryOutcome, At: e.At, Outcome: &sallyport.Outcome{
		State: sallyport.StateCancelled, FinishedAt: e.At,
		Error: &sallyport.Failure{Code: sallyport.CodeNotStarted, Message: "nothing was run"},
	}}
}

func testShares(t *testing.T, p place) {
	const busy, other, third = "deploy-bot", "triage-bot", "report-bot"
	l := p.withPlaces(t, 12)
	waiting := sallyporttest.Approved(100)
	mustRecord(t, l, waiting[:6]...) // it waits for people and takes no place
	for n := range 6 {
		mustRecord(t, l, receivedOf(busy, n))
	}
	mustBeRefused(t, l, receivedOf(busy, 6), "overloaded")
	mustRecord(t, l, receivedOf(busy, 5)) // a repeated one is answered
	for n := range 3 {
		mustRecord(t, l, receivedOf(other, 10+n))
	}
	mustBeRefused(t, l, receivedOf(other, 13), "overloaded")
	mustRecord(t, l, receivedOf(third, 20), receivedOf(third, 21)) // one more comes and finds places
	mustBeRefused(t, l, receivedOf(third, 22), "overloaded")

	// What ends makes room: first for those who have fewer.
	mustRecord(t, l, stopped(0))
	mustBeRefused(t, l, receivedOf(busy, 7), "overloaded")
	mustRecord(t, l, stopped(1))
	mustRecord(t, l, receivedOf(third, 22))

	mustRecord(t, l, waiting[6:8]...) // people let it run, which no other call's place hinders

	// However many agents come: who has nothing at work gets a place.
	for n := range 20 {
		mustRecord(t, l, receivedOf("bot-"+strconv.Itoa(n), 200+n))
		mustBeRefused(t, l, receivedOf("bot-"+strconv.Itoa(n), 300+n), "overloaded")
	}
}

// testSharesRace lets agents in two processes race for what is left.
func testSharesRace(t *testing.T, p place) {
	const places = 12
	ledgers := []*ledger.Ledger{p.withPlaces(t, places), p.withPlaces(t, places)}
	agents := []string{"deploy-bot", "triage-bot", "report-bot"}
	var racing sync.WaitGroup
	var mu sync.Mutex
	taken := map[string]int{}
	for n := range 90 {
		racing.Go(func() {
			agent := agents[n%3]
			if _, err := ledgers[n%2].Record(context.Background(), receivedOf(agent, n)); err == nil {
				mu.Lock()
				taken[agent]++
				mu.Unlock()
			}
		})
	}
	racing.Wait()
	all := 0
	for _, agent := range agents {
		all += taken[agent]
		if taken[agent] < 1 || taken[agent] > places/2 {
			t.Errorf("%s has %d places of %d", agent, taken[agent], places)
		}
	}
	if all > places {
		t.Errorf("%d calls are at work, and there are %d places", all, places)
	}
}
