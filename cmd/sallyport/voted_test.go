package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
)

// TestAfterVote: after the deciding vote the call does not seem to wait.
func TestAfterVote(t *testing.T) {
	of := func(state sallyport.State, quorum int, verdicts ...sallyport.Verdict) (c client.Call) {
		votes := make([]map[string]any, 0, len(verdicts))
		for _, v := range verdicts {
			votes = append(votes, map[string]any{"person": "p", "verdict": v})
		}
		b, err := json.Marshal(map[string]any{"state": state, "ballot": map[string]any{"quorum": quorum, "votes": votes}})
		if err == nil {
			err = json.Unmarshal(b, &c)
		}
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	waiting := func(quorum int, verdicts ...sallyport.Verdict) client.Call {
		return of(sallyport.StateAwaitingApproval, quorum, verdicts...)
	}
	yes, no := sallyport.Approve, sallyport.Reject
	for name, tt := range map[string]struct {
		call    client.Call
		verdict sallyport.Verdict
		want    string
	}{
		"Deciding": {waiting(1, yes), yes, "and decides: the call goes on to run"},
		"Second":   {waiting(2, yes, yes), yes, "and decides: the call goes on to run"},
		"First":    {waiting(2, yes), yes, "the call waits for more: 1 of 2 approve"},
		"No":       {waiting(2, yes, no), no, "and decides: the call ends as rejected"},
		"Running":  {client.Call{State: sallyport.StateRunning}, yes, "the call is running"},
		"Ended":    {of(sallyport.StateSucceeded, 1, yes), yes, "the call is succeeded"},
	} {
		got := afterVote(tt.call, tt.verdict)
		if !strings.HasPrefix(got, "your vote counted") || !strings.HasSuffix(got, tt.want) || strings.Contains(got, "awaiting") {
			t.Errorf("%s: %q; want %q", name, got, tt.want)
		}
	}
}
