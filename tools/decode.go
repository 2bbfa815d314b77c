package tools

import (
	"encoding/json"
	"fmt"
	"io/fs"

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
	f, err := strict.Document(name, data, &m)
	if err != nil {
		return entry{}, err
	}
	whole, err := f.Value() // the schema's dates are text, as those of policies' data
	if err != nil {
		return entry{}, err
	}
	if members, ok := whole.(map[string]any); ok {
		m.InputSchema, m.Result = members["input_schema"], members["result"]
	}
	if m.Plan == "" {
		m.Plan = PlanOnAsk
	}
	m.Egress, m.Network = orEmpty(m.Egress), orEmpty(m.Network)
	m.Permissions.Kubernetes = orEmpty(m.Permissions.Kubernetes)
	e := entry{manifest: m}
	e.position = fmt.Sprintf("%s:%d", name, f.Line("name"))
	e.check(f)
	if err := f.Err(); err != nil {
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

// orEmpty makes an absent list equal to an empty one in the digest.
func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
