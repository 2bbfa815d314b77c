package chart_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/e2e/chart"
)

var update = flag.Bool("update", false, "write the manifests instead of comparing them")

const (
	dir       = "../../deploy/chart"
	manifests = "../../deploy/manifests"
)

// TestManifests: whoever installs without Helm installs the same.
func TestManifests(t *testing.T) {
	files, err := chart.Render(dir, "sallyport", nil)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		write(t, files)
	}
	got := map[string]string{}
	names, err := filepath.Glob(filepath.Join(manifests, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got[filepath.Base(name)] = string(data)
	}
	if d := cmp.Diff(files, got); d != "" {
		t.Errorf("deploy/manifests is not what the chart renders: run make manifests (-chart +manifests)\n%s", d)
	}
}

func write(t *testing.T, files map[string]string) {
	t.Helper()
	old, err := filepath.Glob(filepath.Join(manifests, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range old {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(manifests, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
