package gateway_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

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

// TestDeployedRunners: a pod can make no sandbox, and runs its tools as Jobs.
func TestDeployedRunners(t *testing.T) {
	for name, text := range configMaps(t, "../deploy/manifests/config.yaml") {
		c := deployed(t, text)
		if !c.Sandbox.Disabled || c.Kubernetes == nil || len(c.Kubernetes.Targets) == 0 {
			t.Errorf("%s: sandbox disabled: %v, kubernetes: %+v; want Jobs alone", name, c.Sandbox.Disabled, c.Kubernetes)
		}
		if replies := c.Kubernetes != nil && c.Kubernetes.Reply != nil; replies != (name == "sallyport-worker") {
			t.Errorf("%s has a result receiver: %v", name, replies)
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

// deployed loads a configuration as the program does.
func deployed(t *testing.T, text string) gateway.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sallyport.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := gateway.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
