package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// What index.json calls an image: for the specification, and for containerd.
const (
	annotationRef  = "org.opencontainers.image.ref.name"
	annotationName = "io.containerd.image.name"
)

// epoch is when everything in an image was made: never, so that it is always
// the same.
var epoch = time.Unix(0, 0).UTC() //nolint:gochecknoglobals // a constant in all but form

// write assembles the image in a directory of its own, and then makes one
// file of it.
func (i *image) write(file string) (digest v1.Hash, err error) {
	img, err := i.build()
	if err != nil {
		return digest, err
	}
	if digest, err = img.Digest(); err != nil {
		return digest, err
	}
	dir, err := os.MkdirTemp("", "image-")
	if err != nil {
		return digest, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	l, err := layout.Write(dir, empty.Index)
	if err != nil {
		return digest, err
	}
	// Under its tag for people, and under its digest for pods: a node that
	// has it imported then needs no registry for either.
	_, tag, _ := strings.Cut(path.Base(i.name), ":")
	for _, n := range [][2]string{{tag, i.name}, {digest.String(), i.repository() + "@" + digest.String()}} {
		named := layout.WithAnnotations(map[string]string{annotationRef: n[0], annotationName: n[1]})
		if err := l.AppendImage(img, named, layout.WithPlatform(v1.Platform{OS: "linux", Architecture: i.arch})); err != nil {
			return digest, err
		}
	}
	return digest, archive(dir, file)
}

func (i *image) build() (v1.Image, error) {
	layer, err := i.layer()
	if err != nil {
		return nil, err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err = mutate.Append(img, mutate.Addendum{Layer: layer, MediaType: types.OCILayer, History: v1.History{Created: v1.Time{Time: epoch}}})
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(img, i.config(img))
}

func (i *image) config(img v1.Image) *v1.ConfigFile {
	c, err := img.ConfigFile()
	if err != nil { // the library's own, made a line above
		c = &v1.ConfigFile{}
	}
	c = c.DeepCopy()
	c.OS, c.Architecture, c.Created = "linux", i.arch, v1.Time{Time: epoch}
	c.Config = v1.Config{User: i.user, WorkingDir: "/", Entrypoint: []string{i.files[0].path}}
	return c
}

// layer has all files, owned by root, so that the program can't write itself.
func (i *image) layer() (v1.Layer, error) {
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, dir := range i.directories() {
		if err := tw.WriteHeader(&tar.Header{Name: dir[1:] + "/", Typeflag: tar.TypeDir, Mode: 0o755, ModTime: epoch}); err != nil {
			return nil, err
		}
	}
	sorted := slices.SortedFunc(slices.Values(i.files), func(a, b content) int { return strings.Compare(a.path, b.path) })
	for _, f := range sorted {
		data, err := os.ReadFile(f.source)
		if err != nil {
			return nil, err
		}
		mode := int64(0o644)
		if bytes.HasPrefix(data, []byte("\x7fELF")) {
			mode = 0o755
		}
		if err := add(tw, f.path[1:], mode, data); err != nil {
			return nil, err
		}
	}
	if err := tw.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buf.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer))
}

// directories are all that files lie in, parents first.
func (i *image) directories() []string {
	var all []string
	for _, f := range i.files {
		for dir := path.Dir(f.path); dir != "/"; dir = path.Dir(dir) {
			all = append(all, dir)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func add(tw *tar.Writer, name string, mode int64, data []byte) error {
	if err := tw.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: mode, Size: int64(len(data)), ModTime: epoch}); err != nil {
		return err
	}
	_, err := tw.Write(data)
	return err
}

// archive makes one file of a directory, in the order of names.
func archive(dir, file string) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	tw := tar.NewWriter(f)
	tree := os.DirFS(dir)
	if err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		return add(tw, name, 0o644, data)
	}); err != nil {
		return err
	}
	return tw.Close()
}
