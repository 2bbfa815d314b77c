//go:build e2e

package e2e_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sallyporttest/program"
)

// TestImageByDigest runs an image that was assembled as `make image` does, by
// the digest that it prints, on a node that has never seen a registry.
func TestImageByDigest(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "image.tar")
	out, err := program.Go(t.Context(), "..", "run", "-trimpath", "./deploy/image",
		"--name=registry.example.com/sallyport/box:1", "--out="+file, "/box="+shared.Programs.Testbox)
	if err != nil {
		t.Fatal(err)
	}
	ref, _, _ := strings.Cut(out, " ")
	if err := shared.Load(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	ns := namespace(t)
	for name, image := range map[string]string{"by-digest": ref, "by-tag": "registry.example.com/sallyport/box:1"} {
		p := pod(name)
		p.Spec = spec(image, "print", "hello")
		if succeeded, said := finish(t, create(t, ns, p)); !succeeded || said != "hello\n" {
			t.Errorf("%s said %q (succeeded: %v)", image, said, succeeded)
		}
	}
}
