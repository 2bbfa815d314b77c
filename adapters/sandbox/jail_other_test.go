//go:build !linux || !(amd64 || arm64)

package sandbox_test

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/sandbox"
	"github.com/sallyport/sallyport/tools"
)

type empty struct{}

func (empty) Manifest(string) (tools.Manifest, bool) { return tools.Manifest{}, false }

func TestNoSandboxHere(t *testing.T) {
	_, err := sandbox.New(sandbox.Options{Executor: "toolexec", Catalogue: empty{}})
	if sallyport.CodeOf(err) != "sandbox_unavailable" || !strings.Contains(err.Error(), "kube runner") {
		t.Errorf("New = %v; want it to say what to use instead", err)
	}
}
