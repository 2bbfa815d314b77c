package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/sallyport/sallyport/cmd/internal/cli"
	"github.com/sallyport/sallyport/tools"
)

// TestChartAllowsTheBuiltInTools: the chart lets the worker grant exactly the
// permissions that the built-in manifests ask for.
func TestChartAllowsTheBuiltInTools(t *testing.T) {
	type values struct {
		Permissions tools.Union `yaml:"permissions"`
	}
	var want, got values
	var out bytes.Buffer
	if code := cli.Run(command(), []string{"tools", "permissions"}, nil, &out, os.Stderr); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	if err := yaml.Unmarshal(out.Bytes(), &want); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("../../deploy/chart/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("deploy/chart/values.yaml must have these permissions, then run make manifests:\n%s\n(-tools +chart)\n%s", out.Bytes(), d)
	}
}
