package builtin

import (
	"context"
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools/wire"
)

// setImage is gitops_set_image: it sets the image of one container of a
// Deployment's pod template.
func setImage(_ context.Context, req wire.Request, _ Broker) (wire.Response, error) {
	var arguments struct {
		Environment string `json:"environment"`
		Name        string `json:"name"`
		Container   string `json:"container"`
		Image       string `json:"image"`
	}
	if err := decode(req, &arguments); err != nil {
		return wire.Response{}, err
	}
	o, err := target(req)
	if err != nil {
		return wire.Response{}, err
	}
	c, err := o.setImage(arguments.Container, arguments.Image)
	if err != nil {
		return wire.Response{}, err
	}
	return c.respond(req)
}

func (o *object) setImage(container, image string) (change, error) {
	n, path, err := o.container(container)
	if err != nil {
		return change{}, err
	}
	_, old := child(n, "image")
	if old == nil || old.Kind != yaml.ScalarNode || old.Tag != "!!str" {
		return change{}, failf(sallyport.CodeBadManifest, "the container %s of the deployment %s has no image that could be replaced", container, o.name())
	}
	c := change{object: o, path: append(path, "image"), before: old.Value, after: image}
	if old.Value == image {
		c.summary = fmt.Sprintf("the image of %s is %s already", container, image)
		return c, nil
	}
	c.summary = fmt.Sprintf("image of %s %s → %s", container, old.Value, image)
	c.content, err = o.edit(scalarReplacer(old, image), c.path, image)
	return c, err
}

// container returns the container with this name, which may be an init container.
func (o *object) container(name string) (found *yaml.Node, path []any, err error) {
	n := o.root.Content[0]
	for _, key := range []string{"spec", "template", "spec"} {
		_, n = child(n, key)
	}
	for _, list := range []string{"containers", "initContainers"} {
		_, containers := child(n, list)
		if containers == nil || containers.Kind != yaml.SequenceNode {
			continue
		}
		for i, c := range containers.Content {
			if _, v := child(c, "name"); v == nil || v.Value != name {
				continue
			}
			if found != nil {
				return nil, nil, failf(sallyport.CodeBadManifest, "the deployment %s has two containers %s", o.name(), name)
			}
			found, path = c, []any{"spec", "template", "spec", list, i}
		}
	}
	if found == nil {
		return nil, nil, failf(sallyport.CodeUnknownContainer, "the deployment %s has no container %s", o.name(), name)
	}
	return found, path, nil
}
