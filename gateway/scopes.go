package gateway

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/sallyport/sallyport"
)

// scopes finds what freezes name: agents in the identity table, tools in the
// catalogue, and namespaces in the configuration and in the ledger's calls.
type scopes struct{ *Gateway }

func (s scopes) Agent(ctx context.Context, id string) (sallyport.Agent, error) {
	return s.ids.AgentOf(ctx, id)
}

// HasTool reads the manifests again where the catalogue has no such tool: one
// that was added since the start may run at a worker that started later.
func (s scopes) HasTool(_ context.Context, name string) (bool, error) {
	if _, ok := s.catalogue.Manifest(name); ok {
		return true, nil
	}
	all, err := loadCatalogue(s.o.Config.Tools)
	if err != nil {
		return false, err
	}
	_, ok := all.Manifest(name)
	return ok, nil
}

func (s scopes) HasNamespace(ctx context.Context, name string) (bool, error) {
	if slices.ContainsFunc(s.o.Config.namespaces(), func(n string) bool { return strings.EqualFold(n, name) }) {
		return true, nil
	}
	page, err := s.ledger.Calls(ctx, sallyport.Query{Namespace: name, Limit: 1})
	return len(page.Records) > 0, err
}

// namespaces are those that the configuration names.
func (c Config) namespaces() []string {
	configured := slices.Collect(maps.Keys(c.Git.Environments))
	if c.Kubernetes != nil {
		configured = append(configured, c.Kubernetes.Targets...)
	}
	return configured
}
