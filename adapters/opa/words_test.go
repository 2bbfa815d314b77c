package opa_test

import (
	"testing"

	"github.com/sallyport/sallyport/adapters/opa"
)

// TestSays: the words of a policy are those of its data and its rules.
func TestSays(t *testing.T) {
	e := newEngine(t, opa.Options{Embedded: policyFS(t, map[string]string{
		"own.rego":           "package own\n\nplace := [\"canary\"]\n",
		"own/data.yaml":      "zones: {north: [frost, 7]}\n",
		"own/data_test.rego": "package own_test\n\nword := \"tested\"\n",
	})})
	for word, want := range map[string]bool{
		"production": true, "staging": true, "scale": true, "canary": true, "north": true, "frost": true, "own": true,
		"Production": false, "tested": false, "7": false, "layoffs": false, "": true,
	} {
		if got := e.Says(word); got != want {
			t.Errorf("the policy says %q: %t, want %t", word, got, want)
		}
	}
}
