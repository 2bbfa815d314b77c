package sallyport_test

import (
	"fmt"
	"testing"

	"github.com/sallyport/sallyport"
)

func TestTallyQuorums(t *testing.T) {
	people := []string{"bob", "carol", "dave", "olga"}
	for quorum := range len(people) + 2 {
		for voters := range len(people) + 1 {
			t.Run(fmt.Sprintf("%dOf%d", voters, quorum), func(t *testing.T) {
				b := *approved().Ballot
				b.Terms.Quorum = quorum
				var votes []sallyport.Vote
				for _, p := range people[:voters] {
					votes = append(votes, vote(b, p), vote(b, p)) // each tries twice
				}
				got := sallyport.NewTally(b, votes)
				if want := quorum > 0 && voters >= quorum; got.Approved != want || got.Rejected || len(got.People) != voters {
					t.Errorf("%+v, want approved %t by %d", got, want, voters)
				}
				if voters == 0 {
					return
				}
				got = sallyport.NewTally(b, append(votes, no(b, people[0])))
				if got.Rejected {
					t.Error("a person who said yes said no as well, and both count")
				}
				got = sallyport.NewTally(b, append(votes, no(b, "audra")))
				if got.Approved || !got.Rejected {
					t.Errorf("one no among %d: %+v", voters, got)
				}
			})
		}
	}
}
