package builtin

import (
	"context"

	"github.com/sallyport/sallyport/tools/wire"
)

// getManifest is gitops_get_manifest: one object as it stands in its file,
// comments and all. Other documents of the file stay where they are.
func getManifest(_ context.Context, req wire.Request, _ Broker) (wire.Response, error) {
	i := req.Intent
	if req.Mode == wire.ModePlan {
		return wire.PlanNothing("reads the %s %s of %s and changes nothing", i.Resource, i.Name, i.Namespace)
	}
	o, err := target(req)
	if err != nil {
		return wire.Response{}, err
	}
	return wire.Result(struct {
		Environment string `json:"environment"`
		Kind        string `json:"kind"`
		Name        string `json:"name"`
		Manifest    string `json:"manifest"`
	}{i.Namespace, i.Resource, i.Name, o.text})
}
