//go:build unix

package strict

import (
	"io/fs"
	"syscall"
	"testing"
	"time"
)

// entry is a file with a mode, an owner and a group.
type entry struct {
	mode  fs.FileMode
	owner uint32
	group uint32
}

func (entry) Name() string        { return "key" }
func (entry) Size() int64         { return 1 }
func (e entry) Mode() fs.FileMode { return e.mode }
func (entry) ModTime() time.Time  { return time.Time{} }
func (entry) IsDir() bool         { return false }
func (e entry) Sys() any          { return &syscall.Stat_t{Uid: e.owner, Gid: e.group} }

func TestPrivate(t *testing.T) {
	const us, shared = 65532, 100
	for name, c := range map[string]struct {
		reason string
		file   entry
		uid    int
		ok     bool
	}{
		"Ours":           {"only its owner can read it", entry{0o600, us, shared}, us, true},
		"OursReadOnly":   {"only its owner can read it", entry{0o400, us, shared}, us, true},
		"GroupOfOurs":    {"a group of ours has other members", entry{0o640, us, shared}, us, false},
		"OthersOfOurs":   {"every user reads it", entry{0o604, us, shared}, us, false},
		"Volume":         {"as Kubernetes mounts a volume for a pod's group", entry{0o440, 0, shared}, us, true},
		"VolumeWritable": {"the group's members could change it", entry{0o460, 0, shared}, us, false},
		"VolumeToAll":    {"every user reads it", entry{0o444, 0, shared}, us, false},
		"RootsGroup":     {"for root a file of root's is its own", entry{0o440, 0, shared}, 0, false},
		"Token":          {"as Kubernetes gives a token to a pod with a user and a group of one number", entry{0o640, us, us}, us, true},
		"TokenWritable":  {"the group has no reason to change it", entry{0o660, us, us}, us, false},
		"TokenToAll":     {"every user reads it", entry{0o644, us, us}, us, false},
		"TokenOfOthers":  {"another user's, with that user's group", entry{0o640, 1000, 1000}, us, false},
		"RootsOwnGroup":  {"the exceptions are not for root", entry{0o640, 0, 0}, 0, false},
		"OthersGroup":    {"that owner is neither root nor us", entry{0o440, 1000, shared}, us, false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := private(c.file, c.uid); (err == nil) != c.ok {
				t.Errorf("got %v, want it accepted: %v: %s", err, c.ok, c.reason)
			}
		})
	}
}
