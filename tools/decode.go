package tools

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"go.yaml.in/yaml/v3"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
)

// maxManifestBytes bounds a manifest's file.
const maxManifestBytes = 256 << 10

// loadFile reads and checks one manifest.
func loadFile(dir fs.FS, name string) (entry, error) {
	data, err := fs.ReadFile(dir, name)
	if err != nil {
		return entry{}, fmt.Errorf("%s:1: %w", name, err)
	}
	if len(data) > maxManifestBytes {
		return entry{}, fmt.Errorf("%s:1: a manifest has at most %d bytes", name, maxManifestBytes)
	}
	var m Manifest
	if err := strict.YAML(name, data, &m); err != nil {
		return entry{}, err
	}
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return entry{}, fmt.Errorf("%s:1: %w", name, err)
	}
	if m.Plan == "" {
		m.Plan = PlanOnAsk
	}
	m.Egress, m.Network = orEmpty(m.Egress), orEmpty(m.Network)
	m.Permissions.Kubernetes = orEmpty(m.Permissions.Kubernetes)
	e := entry{manifest: m}
	f := &faults{file: name, root: &root}
	e.position = fmt.Sprintf("%s:%d", name, f.line("name"))
	e.check(f)
	if err := f.err(); err != nil {
		return entry{}, err
	}
	e.manifest.digest, err = digest(e.manifest)
	if err != nil {
		return entry{}, fmt.Errorf("%s:1: %w", name, err)
	}
	return e, nil
}

// digest is over every exported field, so that no field can be forgotten.
func digest(m Manifest) (sallyport.Digest, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	if b, err = strict.JSON(b, schemaLimits); err != nil {
		return "", err
	}
	return sallyport.NewDigest("sallyport/manifest/v1", b), nil
}

// orEmpty lets a manifest that says [] mean the same as one that says nothing.
func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// faults collects what is wrong with one file, and where.
type faults struct {
	file string
	root *yaml.Node
	errs []error
}

// add names the fault of the value at a path of keys.
func (f *faults) add(at []string, format string, args ...any) {
	f.errs = append(f.errs, fmt.Errorf("%s:%d: %s", f.file, f.line(at...), fmt.Sprintf(format, args...)))
}

func (f *faults) err() error { return errors.Join(f.errs...) }

// line is that of the deepest key of a path that the file has.
func (f *faults) line(at ...string) int {
	n, line := f.root, 1
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
		line = n.Line
	}
	for _, key := range at {
		k, v := member(n, key)
		if k == nil {
			break
		}
		n, line = v, k.Line
	}
	return max(line, 1)
}

func member(n *yaml.Node, key string) (k, v *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}
