package cluster_test

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/e2e/cluster"
)

func TestImageOfADirectory(t *testing.T) {
	root, file := t.TempDir(), filepath.Join(t.TempDir(), "image.tar")
	if err := os.MkdirAll(filepath.Join(root, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "bin", "program"), []byte("#!"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("program", filepath.Join(root, "bin", "other")); err != nil {
		t.Fatal(err)
	}
	image := cluster.Image{Ref: "cluster.local/tree:1", Source: root, Command: []string{"/bin/program"}}
	if err := image.Write(file); err != nil {
		t.Fatal(err)
	}
	files := untar(t, file)
	var manifests []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	if err := json.Unmarshal(files["manifest.json"], &manifests); err != nil || len(manifests) != 1 {
		t.Fatalf("the manifest is %s (%v)", files["manifest.json"], err)
	}
	m := manifests[0]
	if diff := cmp.Diff([]string{image.Ref}, m.RepoTags); diff != "" {
		t.Error(diff)
	}
	var config struct {
		Config struct {
			User       string
			Entrypoint []string
		} `json:"config"`
	}
	if err := json.Unmarshal(files[m.Config], &config); err != nil {
		t.Fatal(err)
	}
	if config.Config.User != cluster.User || !cmp.Equal(config.Config.Entrypoint, image.Command) {
		t.Errorf("the image runs %+v", config.Config)
	}
	layer := filepath.Join(t.TempDir(), "layer.tar")
	if err := os.WriteFile(layer, files[m.Layers[0]], 0o600); err != nil {
		t.Fatal(err)
	}
	want := map[string][]byte{"bin/": {}, "bin/program": []byte("#!"), "bin/other": []byte("-> program")}
	if diff := cmp.Diff(want, untar(t, layer)); diff != "" {
		t.Errorf("the layer (-want +got):\n%s", diff)
	}
}

// untar gives the contents of an archive's files, and where links point.
func untar(t *testing.T, name string) map[string][]byte {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files := map[string][]byte{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		if h.Linkname != "" {
			files[h.Name] = []byte("-> " + h.Linkname)
		}
	}
}

func TestUpRefusesDirectoriesThatTheNodeHides(t *testing.T) {
	if cluster.Missing(t.Context()) != nil {
		t.Skip("this machine can't run a cluster: .ci/check e2e says why")
	}
	for _, dir := range []string{"", "/run/cluster", "/var/lib/x", "/var/log"} {
		if c, err := cluster.Up(t.Context(), cluster.Options{Dir: dir}); err == nil {
			t.Errorf("a cluster started in %q: %v", dir, c)
		}
	}
}
