package tools

import (
	"cmp"
	"maps"
	"slices"
)

// Union is all that the tools of a catalogue ask of a cluster: the most that the
// worker must be able to grant to calls.
type Union struct {
	Named    []string  `yaml:"named"`    // group/resource:verb, granted for one object
	All      []string  `yaml:"all"`      // group/resource:verb, granted for all objects of a namespace
	Images   []string  `yaml:"images"`   // of tools that bring their own
	Networks []Network `yaml:"networks"` // that tools connect to
}

// Union collects what the manifests of the kube runner ask for, sorted.
func (c *Catalogue) Union() Union {
	named, all, images, networks := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[Network]bool{}
	for _, e := range c.entries {
		for _, r := range e.manifest.Permissions.Kubernetes {
			of := named
			if r.Objects == ObjectsAll {
				of = all
			}
			for _, verb := range r.Verbs {
				of[r.Group+"/"+r.Resource+":"+verb] = true
			}
		}
		for _, n := range e.manifest.Network {
			n.Protocol = cmp.Or(n.Protocol, "TCP")
			networks[n] = true
		}
		if e.manifest.Container != nil {
			images[e.manifest.Container.Image] = true
		}
	}
	return Union{
		Named: sorted(named), All: sorted(all), Images: sorted(images),
		Networks: slices.SortedFunc(maps.Keys(networks), func(a, b Network) int {
			return cmp.Or(cmp.Compare(a.CIDR, b.CIDR), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol))
		}),
	}
}

// sorted is never nil, so that an empty list is written as one.
func sorted(set map[string]bool) []string {
	return slices.AppendSeq([]string{}, slices.Values(slices.Sorted(maps.Keys(set))))
}
