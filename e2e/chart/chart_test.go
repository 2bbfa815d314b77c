package chart_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/e2e/chart"
)

var update = flag.Bool("update", false, "write the manifests instead of comparing them")

const (
	dir       = "../../deploy/chart"
	manifests = "../../deploy/manifests"
)

// TestManifests: an installation without Helm is the same as one with Helm.
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

// TestPostgres: with the ledger in PostgreSQL nothing ties API and worker to a
// node; without, there is one of each.
func TestPostgres(t *testing.T) {
	files, err := chart.Render(dir, "sallyport", map[string]any{
		"ledger": map[string]any{"dsnSecret": "sallyport-ledger-dsn"},
		"api":    map[string]any{"replicas": 2}, "worker": map[string]any{"replicas": 3},
	})
	if err != nil {
		t.Fatal(err)
	}
	if text, ok := files["storage.yaml"]; ok {
		t.Errorf("there is a volume:\n%s", text)
	}
	for name, replicas := range map[string]string{"api.yaml": "replicas: 2", "worker.yaml": "replicas: 3"} {
		text := files[name]
		for _, want := range []string{replicas, "name: sallyport-ledger-dsn", "path: ledger.dsn"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s has no %q:\n%s", name, want, text)
			}
		}
		for _, not := range []string{"persistentVolumeClaim", "podAffinity", "Recreate", "/var/lib/sallyport"} {
			if strings.Contains(text, not) {
				t.Errorf("%s has %q:\n%s", name, not, text)
			}
		}
	}
	if config := files["config.yaml"]; strings.Count(config, "dsn_file: secrets/ledger.dsn") != 2 || strings.Contains(config, "ledger.db") {
		t.Errorf("the configurations say of the ledger:\n%s", config)
	}
	if n := strings.Count(files["network.yaml"], "port: 5432"); n != 2 {
		t.Errorf("%d of API and worker reach the database", n)
	}
	if text, ok := files["erase.yaml"]; ok {
		t.Errorf("without a retention contents are erased:\n%s", text)
	}
	for _, name := range []string{"api", "worker"} {
		if _, err := chart.Render(dir, "sallyport", map[string]any{name: map[string]any{"replicas": 2}}); err == nil || !strings.Contains(err.Error(), "ledger.dsnSecret") {
			t.Errorf("two of %s with one SQLite file: %v", name, err)
		}
	}
}

// TestRetention: who erases has the role that may, and no key.
func TestRetention(t *testing.T) {
	for name, tt := range map[string]struct {
		ledger    map[string]any
		want, not []string
	}{
		"SQLite": {
			map[string]any{"retention": "8760h"},
			[]string{"claimName: sallyport-ledger", "podAffinity", "ledger, erase, --expired", `schedule: "17 3 * * *"`},
			[]string{"secretName", "NetworkPolicy", "sallyport-shared"},
		},
		"PostgreSQL": {
			map[string]any{"retention": "8760h", "dsnSecret": "gateway", "eraserSecret": "eraser"},
			[]string{"secretName: eraser", "kind: NetworkPolicy", "port: 5432"},
			[]string{"secretName: gateway", "persistentVolumeClaim", "podAffinity", "sallyport-shared"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			files, err := chart.Render(dir, "sallyport", map[string]any{"ledger": tt.ledger})
			if err != nil {
				t.Fatal(err)
			}
			text := files["erase.yaml"]
			for _, want := range tt.want {
				if !strings.Contains(text, want) {
					t.Errorf("there is no %q:\n%s", want, text)
				}
			}
			for _, not := range tt.not {
				if strings.Contains(text, not) {
					t.Errorf("there is %q:\n%s", not, text)
				}
			}
			if n := strings.Count(files["config.yaml"], "retention: 8760h"); n != 2 {
				t.Errorf("%d configurations say how long contents are kept", n)
			}
		})
	}
	_, err := chart.Render(dir, "sallyport", map[string]any{"ledger": map[string]any{"retention": "1h", "dsnSecret": "gateway"}})
	if err == nil || !strings.Contains(err.Error(), "ledger.eraserSecret") {
		t.Errorf("the gateway's role was to erase: %v", err)
	}
}
