package opa_test

import (
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/opa"
)

// TestSays: the words of a policy are those at the places where its data declares
// actions, resources and namespaces, each as its own kind. An agent that guesses at
// the rest of policy, which groups or people it names for one, learns nothing from
// the leaves of its calls.
func TestSays(t *testing.T) {
	e := newEngine(t, opa.Options{Embedded: policyFS(t, map[string]string{
		"own.rego":             "package own\n\nplace := [\"canary\"]\n",
		"own/data.yaml":        "zones: {north: [frost, 7]}\n",
		"grants/data.yaml":     "agents: {release-bot: [{tools: [apply_later], actions: [thaw], namespaces: [glacier]}]}\n",
		"grants_own_test.rego": "package own_test\n\nword := \"tested\"\n",
	})})
	kinds := []sallyport.WordKind{sallyport.WordAction, sallyport.WordResource, sallyport.WordNamespace}
	for word, want := range map[string]sallyport.WordKind{
		"production": sallyport.WordNamespace, "staging": sallyport.WordNamespace, "glacier": sallyport.WordNamespace, "": sallyport.WordNamespace,
		"scale": sallyport.WordAction, "thaw": sallyport.WordAction,
		"deployment": sallyport.WordResource, "ConfigMap": sallyport.WordResource,
		"canary": 0, "north": 0, "frost": 0, "own": 0, "Production": 0, "tested": 0, "7": 0, "layoffs": 0,
		"sre": 0, "deploy-bot": 0, "release-bot": 0, "apply_later": 0, "temporal-principal": 0, "environments": 0, "not_granted": 0,
	} {
		for _, kind := range kinds {
			if got := e.Says(kind, word); got != (kind == want) {
				t.Errorf("the policy says %q as kind %d: %t", word, kind, got)
			}
		}
	}
}
