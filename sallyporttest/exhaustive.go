package sallyporttest

import "testing"

// Exhaustive leaves out a test with the race detector, which makes tests slow
// that try one change after the other, and has nothing to find in them. make test
// runs all of these without it.
func Exhaustive(t testing.TB) {
	t.Helper()
	if raceDetector {
		t.Skip("it is run without the race detector")
	}
}
