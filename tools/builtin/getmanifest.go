package builtin

import (
	"context"

	"github.com/sallyport/sallyport/tools"
)

// getManifest is gitops_get_manifest: one object as it stands in its file,
// comments and all. Other documents of the file stay where they are.
func getManifest(_ context.Context, req tools.Request, _ Broker) (tools.Response, error) {
	i := req.Intent
	if req.Mode == tools.ModePlan {
		return planNothing("reads the %s %s of %s and changes nothing", i.Resource, i.Name, i.Namespace)
	}
	o, err := target(req)
	if err != nil {
		return tools.Response{}, err
	}
	return result(struct {
		Environment string `json:"environment"`
		Kind        string `json:"kind"`
		Name        string `json:"name"`
		Manifest    string `json:"manifest"`
	}{i.Namespace, i.Resource, i.Name, o.text})
}
