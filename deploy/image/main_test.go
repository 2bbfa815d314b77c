package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// executable is a copy of the program that runs this test.
func executable(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "tiny")
	if err := os.WriteFile(file, contents(t, self), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

func assemble(t *testing.T, args ...string) (line, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "image.tar")
	var out bytes.Buffer
	if err := run(append([]string{"--name", "registry.example.com/tiny:1", "--out", file}, args...), &out); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(out.String(), " "+file+"\n"), file
}

// TestSameFilesSameImage: a second build can be compared by digests, and so
// see that what runs is what the sources say.
func TestSameFilesSameImage(t *testing.T) {
	binary := executable(t)
	authorities := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authorities, []byte("certificates\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"/tiny=" + binary, "/etc/ssl/certs/ca-certificates.crt=" + authorities}
	first, firstFile := assemble(t, args...)
	// What a later build differs in, and the digest must not.
	later := time.Now().Add(time.Hour)
	if err := errors.Join(os.Chtimes(binary, later, later), os.Chmod(binary, 0o700)); err != nil {
		t.Fatal(err)
	}
	second, secondFile := assemble(t, args...)
	if first != second || !strings.HasPrefix(first, "registry.example.com/tiny@sha256:") {
		t.Errorf("the digests are %q and %q, want the same", first, second)
	}
	if a, b := contents(t, firstFile), contents(t, secondFile); !bytes.Equal(a, b) {
		t.Error("the archives differ, though their images do not")
	}
	if err := os.WriteFile(authorities, []byte("others\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if other, _ := assemble(t, args...); other == first {
		t.Error("other files have the same digest")
	}
}

func contents(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestReadBack looks at the image as a container runtime does.
func TestReadBack(t *testing.T) {
	line, file := assemble(t, "--arch", "arm64", "/bin/tiny="+executable(t))
	index, err := layout.ImageIndexFromPath(unpack(t, file))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, m := range manifest.Manifests {
		names[m.Annotations["io.containerd.image.name"]] = true
		if got := "registry.example.com/tiny@" + m.Digest.String(); got != line {
			t.Errorf("the archive holds %s and not %s", got, line)
		}
	}
	if d := cmp.Diff(map[string]bool{"registry.example.com/tiny:1": true, line: true}, names); d != "" {
		t.Errorf("names (-want +got)\n%s", d)
	}
	img, err := index.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(v1.Config{User: "65532:65532", WorkingDir: "/", Entrypoint: []string{"/bin/tiny"}}, config.Config); d != "" {
		t.Errorf("configuration (-want +got)\n%s", d)
	}
	if config.Architecture != "arm64" || config.OS != "linux" {
		t.Errorf("it is for %s on %s", config.OS, config.Architecture)
	}
	if d := cmp.Diff([]string{"bin/ 755 0:0", "bin/tiny 755 0:0"}, files(t, img)); d != "" {
		t.Errorf("files (-want +got)\n%s", d)
	}
}

func unpack(t *testing.T, file string) string {
	t.Helper()
	dir := t.TempDir()
	tr := tar.NewReader(bytes.NewReader(contents(t, file)))
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(tr)
		name := filepath.Join(dir, filepath.FromSlash(h.Name))
		if err := errors.Join(err, os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, data, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

func files(t *testing.T, img v1.Image) []string {
	t.Helper()
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers: %v", len(layers), err)
	}
	r, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s %o %d:%d", h.Name, h.Mode, h.Uid, h.Gid))
	}
}

func TestRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		reason string
		args   []string
		want   string
	}{
		"NoTag":    {"a name without tag can't be told from another version", []string{"--name", "registry.example.com:5000/tiny", "--out", "x", "/a=b"}, "repository:tag"},
		"ByDigest": {"the digest is what comes out", []string{"--name", "registry.example.com/tiny@sha256:aa", "--out", "x", "/a=b"}, "repository:tag"},
		"NoFiles":  {"there is nothing to run", []string{"--name", "tiny:1", "--out", "x"}, "needs files"},
		"Relative": {"the file would be anywhere", []string{"--name", "tiny:1", "--out", "x", "a=b"}, "absolute"},
		"Upwards":  {"a file must not leave the image", []string{"--name", "tiny:1", "--out", "x", "/../a=b"}, "absolute"},
		"Twice":    {"which of the two counts is up to who unpacks", []string{"--name", "tiny:1", "--out", "x", "/a=b", "/a=c"}, "twice"},
		"NoOut":    {"there is no place to write to", []string{"--name", "tiny:1", "/a=b"}, "--out"},
		"NoSource": {"an image without its program is none", []string{"--name", "tiny:1", "--out", "x", "/a=/nonexistent"}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := run(c.args, io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q: %s", err, c.want, c.reason)
			}
		})
	}
}
