package builtin

import (
	"context"
	"fmt"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools/wire"
)

// scaleDeployment is gitops_scale_deployment: it sets spec.replicas.
func scaleDeployment(_ context.Context, req wire.Request, _ Broker) (wire.Response, error) {
	var arguments struct {
		Environment string `json:"environment"`
		Name        string `json:"name"`
		Replicas    uint16 `json:"replicas"`
	}
	if err := decode(req, &arguments); err != nil {
		return wire.Response{}, err
	}
	o, err := target(req)
	if err != nil {
		return wire.Response{}, err
	}
	c, err := o.scale(int(arguments.Replicas))
	if err != nil {
		return wire.Response{}, err
	}
	return c.respond(req)
}

func (o *object) scale(replicas int) (change, error) {
	specKey, spec := child(o.root.Content[0], "spec")
	if spec == nil || spec.Kind != yaml.MappingNode {
		return change{}, failf(sallyport.CodeBadManifest, "the deployment %s has no spec", o.name())
	}
	c := change{object: o, path: []any{"spec", "replicas"}, after: replicas}
	value := strconv.Itoa(replicas)
	replace := lineInserter(specKey, spec, "replicas: "+value)
	was := "unset"
	decoded, _ := o.decoded["spec"].(map[string]any)
	if set, ok := decoded["replicas"]; ok {
		before, ok := set.(int)
		if !ok {
			return change{}, failf(sallyport.CodeBadManifest, "spec.replicas of the deployment %s is not a whole number", o.name())
		}
		_, n := child(spec, "replicas")
		if n == nil { // a merge key sets it
			return change{}, o.unsupported(c.path)
		}
		if before == replicas {
			c.summary = fmt.Sprintf("replicas are %d already", before)
			return c, nil
		}
		c.before, was = before, strconv.Itoa(before)
		replace = scalarReplacer(n, value)
	}
	c.summary = fmt.Sprintf("replicas %s → %d", was, replicas)
	var err error
	c.content, err = o.edit(replace, c.path, replicas)
	return c, err
}
