package ledger

import "testing"

// exhaustive is false with the race detector, which makes tests slow that try
// one change after the other, and has nothing to find in them.
var exhaustive = true

// Exhaustive leaves out a test with the race detector: make test runs all of
// these without it.
func Exhaustive(t *testing.T) {
	t.Helper()
	if !exhaustive {
		t.Skip("it is run without the race detector")
	}
}
