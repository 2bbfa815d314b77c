package main

import (
	"fmt"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
)

// afterVote says what a vote that counted comes to. The call's state is that of
// the moment of the vote: the workflow moves it on afterwards.
func afterVote(call client.Call, verdict sallyport.Verdict) string {
	const counted = "your vote counted"
	if call.State != sallyport.StateAwaitingApproval || call.Ballot == nil {
		return fmt.Sprintf("%s; the call is %s", counted, call.State)
	}
	if verdict == sallyport.Reject {
		return counted + " and decides: the call ends as rejected"
	}
	yes := 0
	for _, v := range call.Ballot.Votes {
		if v.Verdict == sallyport.Approve {
			yes++
		}
	}
	if yes >= call.Ballot.Quorum {
		return counted + " and decides: the call goes on to run"
	}
	return fmt.Sprintf("%s; the call waits for more: %d of %d approve", counted, yes, call.Ballot.Quorum)
}
