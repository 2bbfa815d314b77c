package unidiff_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/tools/unidiff"
)

func TestUnified(t *testing.T) {
	for name, tt := range map[string]struct{ before, after, want string }{
		"Equal":   {"a\n", "a\n", ""},
		"Middle":  {"1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nx\n6\n7\n8\n9\n", "--- a/f\n+++ b/f\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n"},
		"Created": {"", "a\n", "--- a/f\n+++ b/f\n@@ -0,0 +1 @@\n+a\n"},
		"Emptied": {"a\n", "", "--- a/f\n+++ b/f\n@@ -1 +0,0 @@\n-a\n"},
		"NoEnd":   {"a\n", "a", "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n"},
		"TwoPlaces": {
			"1\n2\n3\n4\n", "x\n2\n3\ny\n", "--- a/f\n+++ b/f\n@@ -1,4 +1,4 @@\n-1\n-2\n-3\n-4\n+x\n+2\n+3\n+y\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, unidiff.Unified("f", tt.before, tt.after)); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}
