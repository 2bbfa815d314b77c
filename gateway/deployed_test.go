package gateway_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/sallyport/sallyport/gateway"
)

// TestDeployedConfiguration loads what the manifests for Kubernetes give the
// two programs, and looks at what their probes and volumes rely on.
func TestDeployedConfiguration(t *testing.T) {
	files := configMaps(t, "../deploy/manifests/config.yaml")
	api := deployed(t, files["sallyport-api"])
	worker := deployed(t, files["sallyport-worker"])
	for what, pair := range map[string][2]string{
		"the port of the API's probes":       {"0.0.0.0:8080", api.API.Listen},
		"the port of the worker's probes":    {"0.0.0.0:9090", worker.Worker.Listen},
		"the API's key":                      {"api.key", filepath.Base(api.Signing.PrivateKeyFile)},
		"the worker's half of it":            {"api.pub", filepath.Base(worker.Signing.PublicKeysFile)},
		"no private key for the worker":      {"", worker.Signing.PrivateKeyFile},
		"one ledger":                         {api.Ledger.Path, worker.Ledger.Path},
		"the ledger in its volume":           {"/var/lib/sallyport", filepath.Dir(api.Ledger.Path)},
		"secrets in their directory":         {"secrets", filepath.Base(filepath.Dir(api.Ledger.KeyFile))},
		"Temporal's token, for each its own": {"temporal.token", filepath.Base(worker.Temporal.TokenFile)},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: got %q, want %q", what, pair[1], pair[0])
		}
	}
}

// configMaps are the configurations of a file of ConfigMaps by their names.
func configMaps(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := map[string]string{}
	for d := yaml.NewDecoder(f); ; {
		var m struct {
			Metadata struct {
				Name string `yaml:"name"`
			} `yaml:"metadata"`
			Data map[string]string `yaml:"data"`
		}
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[m.Metadata.Name] = m.Data["sallyport.yaml"]
	}
}

// deployed loads all of a configuration but its section about Kubernetes, which is
// compared by itself.
func deployed(t *testing.T, text string) gateway.Config {
	t.Helper()
	var sections map[string]any
	if err := yaml.Unmarshal([]byte(text), &sections); err != nil {
		t.Fatal(err)
	}
	if k, ok := sections["kubernetes"]; ok {
		want := map[string]any{
			"namespace": "agent-execution", "reply_listen": "0.0.0.0:8443",
			"executor_image": "registry.example.com/sallyport/kubeexec@sha256:0000000000000000000000000000000000000000000000000000000000000000",
		}
		if d := cmp.Diff(want, k); d != "" {
			t.Errorf("kubernetes (-want +got)\n%s", d)
		}
	}
	delete(sections, "kubernetes")
	data, err := yaml.Marshal(sections)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "sallyport.yaml")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := gateway.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
