package strict

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestPrivateModes(t *testing.T) {
	for name, test := range map[string]struct {
		reason string
		mode   fs.FileMode
		group  bool
		want   bool
	}{
		"Owner":           {"the usual", 0o600, false, true},
		"OwnerReads":      {"nobody changes it", 0o400, false, true},
		"AGroup":          {"who is in it nobody knows", 0o640, false, false},
		"OwnersEverybody": {"everybody reads it", 0o604, false, false},
		"Mounted":         {"a Secret for the pod's fsGroup", 0o440, true, true},
		"OurGroup":        {"as root gives a service its key", 0o640, true, true},
		"OurGroupWrites":  {"who may change a key has more than it needs", 0o660, true, false},
		"OursAndAll":      {"a Secret with the mode that Kubernetes has by default", 0o644, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := private(test.mode, test.group); got != test.want {
				t.Errorf("%04o is private: %v, want %v (%s)", test.mode, got, test.want, test.reason)
			}
		})
	}
}

// TestPrivateOfOurs looks at files of this process's user, root or not.
func TestPrivateOfOurs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	for mode, want := range map[fs.FileMode]bool{0o600: true, 0o644: false} {
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := Private(info); got != want {
			t.Errorf("our own file with mode %04o is private: %v, want %v", mode, got, want)
		}
	}
}
