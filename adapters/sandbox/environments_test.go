package sandbox_test

import (
	"encoding/json"
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/sandbox"
	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/tools"
)

// TestEnvironments has the real executor scale a deployment that lies in
// staging and names another namespace.
func TestEnvironments(t *testing.T) {
	c, err := tools.Load(tools.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	m, _ := c.Manifest("gitops_scale_deployment")
	i := intent("", nil)
	i.Tool = sallyport.ToolRef{Name: m.Name, Digest: m.Digest()}
	i.Arguments = json.RawMessage(`{"environment":"staging","name":"api","replicas":5}`)
	for name, tt := range map[string]struct {
		namespace    string
		environments map[string][]string
		code         string
	}{
		"Own":        {"staging", nil, ""},
		"Other":      {"production", nil, sallyport.CodeOtherNamespace},
		"Listed":     {"shop-staging", map[string][]string{"staging": {"shop-staging"}}, ""},
		"ListedElse": {"production", map[string][]string{"production": {"production"}, "staging": {"shop-staging"}}, sallyport.CodeOtherNamespace},
	} {
		t.Run(name, func(t *testing.T) {
			repo := &repository{files: map[string][]byte{"staging/api.yaml": []byte(
				"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: api\n  namespace: " + tt.namespace + "\nspec:\n  replicas: 3\n")}}
			r, err := sandbox.New(sandbox.Options{Executor: executor("toolexec"), Catalogue: c, Repository: repo, Environments: tt.environments})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = r.Close() }()
			if _, err := r.Plan(t.Context(), i); sallyport.CodeOf(err) != tt.code {
				t.Errorf("Plan: %v; want %q", err, tt.code)
			}
			o, err := r.Run(t.Context(), sallyporttest.AllowedPermit(t, i, sallyport.Obligations{}))
			if err != nil {
				t.Fatal(err)
			}
			code := ""
			if o.Error != nil {
				code = o.Error.Code
			}
			if code != tt.code || repo.seen() != map[bool]int{true: 1}[tt.code == ""] {
				t.Errorf("Run: %+v with %d commits; want %q", o, repo.seen(), tt.code)
			}
		})
	}
}
