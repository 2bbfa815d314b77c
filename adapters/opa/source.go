package opa

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/sallyport/sallyport"
)

// Bounds of a policy. They stop a mistaken path (the root directory, a home)
// before it is read into memory.
const (
	maxFiles = 1000
	maxBytes = 8 << 20
	maxDepth = 8
)

// source is the files of a policy, read at one moment.
type source struct {
	modules map[string][]byte // *.rego
	tests   map[string][]byte // *_test.rego
	data    map[string][]byte // *.json, *.yaml, *.yml
	files   int
	bytes   int
}

// readStable reads until two readings in a row are the same: while a program
// writes the directory, half of the files may be new.
func readStable(fsys fs.FS) (source, error) {
	last, err := read(fsys)
	for range 10 {
		if err != nil {
			return source{}, err
		}
		var next source
		next, err = read(fsys)
		if err == nil && next.revision() == last.revision() {
			return next, nil
		}
		last = next
	}
	return source{}, errors.Join(errors.New("the policy's files change while they are read"), err)
}

func read(fsys fs.FS) (source, error) {
	s := source{modules: map[string][]byte{}, tests: map[string][]byte{}, data: map[string][]byte{}}
	if err := s.readDir(fsys, ".", 0); err != nil {
		return source{}, err
	}
	if len(s.modules) == 0 {
		return source{}, errors.New("there is no policy: no file named *.rego")
	}
	return s, nil
}

// readDir follows symbolic links, as mounted ConfigMaps are made of them, and
// skips hidden entries, among which ConfigMaps keep the files themselves.
func (s *source) readDir(fsys fs.FS, dir string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%s: directories are nested more than %d deep", dir, maxDepth)
	}
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return fmt.Errorf("read the policy's directory: %w", err)
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		name := path.Join(dir, entry.Name())
		info, err := fs.Stat(fsys, name)
		switch {
		case err != nil:
			return fmt.Errorf("read the policy: %w", err)
		case info.IsDir():
			err = s.readDir(fsys, name, depth+1)
		case info.Mode().IsRegular():
			err = s.readFile(fsys, name, info.Size())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *source) readFile(fsys fs.FS, name string, size int64) error {
	kind := s.kind(name)
	if kind == nil {
		return nil
	}
	if s.files++; s.files > maxFiles {
		return fmt.Errorf("%s: the policy has more than %d files", name, maxFiles)
	}
	if size > maxBytes {
		return fmt.Errorf("%s: the policy is larger than %d bytes", name, maxBytes)
	}
	content, err := fs.ReadFile(fsys, name)
	if err != nil {
		return fmt.Errorf("read the policy: %w", err)
	}
	if s.bytes += len(content); s.bytes > maxBytes {
		return fmt.Errorf("%s: the policy is larger than %d bytes", name, maxBytes)
	}
	kind[name] = content
	return nil
}

// kind is where a file of this name belongs, or nil if it is none of the
// policy's.
func (s *source) kind(name string) map[string][]byte {
	switch {
	case strings.HasSuffix(name, "_test.rego"):
		return s.tests
	case path.Ext(name) == ".rego":
		return s.modules
	case slices.Contains([]string{".json", ".yaml", ".yml"}, path.Ext(name)):
		return s.data
	default:
		return nil
	}
}

// revision is over everything that a decision can depend on.
func (s *source) revision() string {
	var parts [][]byte
	for _, files := range []map[string][]byte{s.modules, s.data} {
		for _, name := range slices.Sorted(maps.Keys(files)) {
			parts = append(parts, []byte(name), files[name])
		}
	}
	return string(sallyport.NewDigest("sallyport/policy/v1", parts...))
}
