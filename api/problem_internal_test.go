package api

import (
	"net/http"
	"slices"
	"testing"

	"github.com/sallyport/sallyport"
)

// TestStatusesOfCodes holds the statuses of the registry of codes against the map
// from errors and outcomes to answers: each is one that the map can yield, and a
// code that has one status whatever its error's kind is says so.
func TestStatusesOfCodes(t *testing.T) {
	kinds := []sallyport.Kind{
		sallyport.Invalid, sallyport.Unauthenticated, sallyport.Denied, sallyport.Conflict,
		sallyport.NotFound, sallyport.Frozen, sallyport.Unavailable, sallyport.Internal,
	}
	for _, g := range sallyport.CodeGroups() {
		for _, c := range g.Codes {
			var possible []int
			for _, k := range kinds {
				possible = append(possible, problemOf(&sallyport.Error{Kind: k, Code: c.Name}).Status)
			}
			slices.Sort(possible)
			if own := slices.Compact(slices.Clone(possible)); len(own) == 1 && !slices.Contains(c.Statuses, own[0]) {
				t.Errorf("%s is always answered with %d, and the registry says %v", c.Name, own[0], c.Statuses)
			}
			for _, s := range sallyport.States() {
				possible = append(possible, statusOfEnd(s, c.Name))
			}
			possible = append(possible, http.StatusMethodNotAllowed) // the router's
			for _, status := range c.Statuses {
				if !slices.Contains(possible, status) {
					t.Errorf("the registry says that %s is answered with %d, and nothing is: %v", c.Name, status, possible)
				}
			}
		}
	}
}

// statusOfEnd is the status that a submission is answered with when its call has
// ended with a code.
func statusOfEnd(s sallyport.State, code string) int {
	r := sallyport.Record{State: s, Outcome: &sallyport.Outcome{State: s, Error: &sallyport.Failure{Code: code}}}
	if p := outcomeProblem(r); p != nil {
		return p.Status
	}
	return http.StatusOK
}
