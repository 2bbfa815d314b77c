package tools

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sallyport/sallyport"
)

//go:embed manifests/*.yaml
var embedded embed.FS

// Embedded holds the manifests of the built-in tools.
func Embedded() fs.FS {
	sub, err := fs.Sub(embedded, "manifests")
	if err != nil { // only for an invalid path, and this one is valid
		return embedded
	}
	return sub
}

// Catalogue is a set of tools. It does not change once it is loaded, and is
// safe for concurrent use.
type Catalogue struct {
	entries map[string]entry
}

type entry struct {
	manifest Manifest
	schema   *jsonschema.Schema
	result   *jsonschema.Schema // nil where the manifest has none
	position string             // file and line, for messages
}

// Load reads the manifests, *.yaml, of directories. A manifest replaces one
// of the same name from an earlier directory; within a directory a name
// stands for one tool. One bad manifest makes Load fail: the error has a line
// "file:line: reason" for each fault.
func Load(dirs ...fs.FS) (*Catalogue, error) {
	c := &Catalogue{entries: map[string]entry{}}
	var faults []error
	for _, dir := range dirs {
		if dir == nil {
			return nil, errors.New("tools: a directory of manifests is nil")
		}
		entries, err := loadDir(dir)
		maps.Copy(c.entries, entries)
		faults = append(faults, err)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if len(c.entries) == 0 {
		return nil, errors.New("tools: no manifest (*.yaml) in the given directories")
	}
	return c, nil
}

func loadDir(dir fs.FS) (map[string]entry, error) {
	files, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil, fmt.Errorf("tools: cannot read a directory of manifests: %w", err)
	}
	entries := map[string]entry{}
	var faults []error
	for _, f := range files {
		switch {
		case f.IsDir():
		case path.Ext(f.Name()) == ".yml":
			faults = append(faults, fmt.Errorf("%s:1: the name of a manifest must end in .yaml; rename the file", f.Name()))
		case path.Ext(f.Name()) == ".yaml":
			e, err := loadFile(dir, f.Name())
			if err != nil {
				faults = append(faults, err)
				continue
			}
			if earlier, ok := entries[e.manifest.Name]; ok {
				faults = append(faults, fmt.Errorf("%s: tool %s is declared already at %s", e.position, e.manifest.Name, earlier.position))
			}
			entries[e.manifest.Name] = e
		}
	}
	return entries, errors.Join(faults...)
}

// Tool returns the tool with this name.
func (c *Catalogue) Tool(name string) (sallyport.Tool, bool) {
	e, ok := c.entries[name]
	return e.manifest.Tool(), ok
}

// Tools returns all tools, sorted by name.
func (c *Catalogue) Tools() []sallyport.Tool {
	tools := make([]sallyport.Tool, 0, len(c.entries))
	for _, name := range slices.Sorted(maps.Keys(c.entries)) {
		tools = append(tools, c.entries[name].manifest.Tool())
	}
	return tools
}

// Manifest returns the manifest of the tool with this name.
func (c *Catalogue) Manifest(name string) (Manifest, bool) {
	e, ok := c.entries[name]
	return e.manifest, ok
}

// For returns the tools that a gateway with these runners can run.
func (c *Catalogue) For(runners ...string) *Catalogue {
	part := &Catalogue{entries: map[string]entry{}}
	for name, e := range c.entries {
		if slices.Contains(runners, e.manifest.Runner) {
			part.entries[name] = e
		}
	}
	return part
}
