package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// ours is the module at the root of this repository. The modules below it have
// its licence.
const ours = "github.com/sallyport/sallyport"

// program is what is asked about: a main package, and what it is built for.
// All programs are built without cgo.
type program struct {
	dir, pkg string
	os, arch string
}

// module is one that the program links, with the licence texts of the linked
// packages.
type module struct {
	path    string
	version string // empty for this repository's own
	texts   []text
}

// text is one file that says under which terms a module may be passed on.
type text struct {
	name    string // from the module's root
	data    string
	ids     []string // SPDX identifiers of the licences that were recognised, each once
	percent float64  // of the words that belong to them
}

// listed is a package as the Go tool lists it.
type listed struct {
	Dir      string  `json:"Dir"`
	Standard bool    `json:"Standard"`
	Module   *source `json:"Module"`
}

// source is the module of a listed package.
type source struct {
	Path    string `json:"Path"`
	Version string `json:"Version"`
	Dir     string `json:"Dir"`
}

// linked returns the modules that the program links, in the order of their
// paths, the standard library first.
func (p program) linked(ctx context.Context) ([]module, error) {
	out, err := p.goTool(ctx, "list", "-deps", "-json=Dir,Standard,Module", p.pkg)
	if err != nil {
		return nil, err
	}
	directories := map[source][]string{} // of the linked packages
	for d := json.NewDecoder(strings.NewReader(out)); ; {
		var l listed
		switch err := d.Decode(&l); {
		case errors.Is(err, io.EOF):
			return p.collect(ctx, directories)
		case err != nil:
			return nil, fmt.Errorf("reading what the Go tool lists of %s: %w", p.pkg, err)
		case l.Standard:
		case l.Module == nil:
			return nil, fmt.Errorf("the package in %s belongs to no module: run this in a module, without a vendor directory", l.Dir)
		default:
			directories[*l.Module] = append(directories[*l.Module], l.Dir)
		}
	}
}

// collect reads the texts of each module, and of the standard library and this
// repository, which are in every program.
func (p program) collect(ctx context.Context, directories map[source][]string) ([]module, error) {
	all := []module{}
	for m, dirs := range directories {
		if m.Path == ours || strings.HasPrefix(m.Path, ours+"/") {
			continue
		}
		texts, err := read(m.Dir, dirs...)
		if err != nil {
			return nil, err
		}
		all = append(all, module{path: m.Path, version: m.Version, texts: texts})
	}
	slices.SortFunc(all, func(a, b module) int { return strings.Compare(a.path, b.path) })
	own, err := p.roots(ctx)
	return append(own, all...), err
}

// roots are the standard library and this repository.
func (p program) roots(ctx context.Context) ([]module, error) {
	out, err := p.goTool(ctx, "env", "GOROOT", "GOVERSION")
	if err != nil {
		return nil, err
	}
	goroot, version, _ := strings.Cut(strings.TrimSpace(out), "\n")
	repository, err := p.goTool(ctx, "list", "-m", "-f", "{{.Dir}}", ours)
	if err != nil {
		return nil, err
	}
	library, err := read(goroot)
	if err != nil {
		return nil, err
	}
	own, err := read(strings.TrimSpace(repository))
	return []module{{path: "the Go standard library", version: version, texts: library}, {path: ours, texts: own}}, err
}

// read finds the texts in the root of a module, and in the directories of
// linked packages and between them and the root.
func read(root string, packages ...string) ([]text, error) {
	directories := map[string]bool{root: true}
	for _, dir := range packages {
		for ; dir != root; dir = filepath.Dir(dir) {
			if !strings.HasPrefix(dir, root+string(filepath.Separator)) {
				return nil, fmt.Errorf("the package in %s is not below its module's directory %s", dir, root)
			}
			directories[dir] = true
		}
	}
	var texts []text
	for dir := range directories {
		found, err := textsIn(root, dir)
		if err != nil {
			return nil, err
		}
		texts = append(texts, found...)
	}
	slices.SortFunc(texts, func(a, b text) int { return strings.Compare(a.name, b.name) })
	return texts, nil
}

// textsIn finds the texts that stand in one directory.
func textsIn(root, dir string) (texts []text, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !named(e.Name()) {
			continue
		}
		t, err := recognise(root, filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		texts = append(texts, t)
	}
	return texts, nil
}

// named reports whether a file's name promises a text.
func named(file string) bool {
	return filepath.Ext(file) != ".go" &&
		regexp.MustCompile(`(?i)^(.+-)?((un)?licen[cs]e|copying|copyright|notice|patents)([-_.].+)?$`).MatchString(file)
}

// grants reports whether a text has to be a licence. The others go with one.
func (t text) grants() bool {
	return regexp.MustCompile(`(?i)licen[cs]e|copying`).MatchString(filepath.Base(t.name))
}

func recognise(root, file string) (text, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return text{}, err
	}
	name, err := filepath.Rel(root, file)
	found := licensecheck.Scan(data)
	t := text{name: filepath.ToSlash(name), data: string(data), percent: found.Percent}
	for _, m := range found.Match {
		t.ids = append(t.ids, m.ID)
	}
	slices.Sort(t.ids)
	t.ids = slices.Compact(t.ids)
	return t, err
}

func (p program) goTool(ctx context.Context, args ...string) (string, error) {
	c := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the words above
	c.Dir = p.dir
	c.Env = append(c.Environ(), "CGO_ENABLED=0", "GOOS="+p.os, "GOARCH="+p.arch)
	out, err := c.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	if err != nil {
		return "", fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return string(out), nil
}
