//go:build unix

package strict

import (
	"io/fs"
	"syscall"
	"testing"
	"time"
)

// entry is a file of somebody.
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
		"Ours":          {"nobody else can read it", entry{0o600, us, shared}, us, true},
		"OursReadOnly":  {"nobody else can read it", entry{0o400, us, shared}, us, true},
		"GroupOfOurs":   {"a group of ours has other members", entry{0o640, us, shared}, us, false},
		"OthersOfOurs":  {"everybody reads it", entry{0o604, us, shared}, us, false},
		"Lent":          {"as a volume of Kubernetes lends it to a pod's group", entry{0o440, 0, shared}, us, true},
		"LentWritable":  {"whoever is in the group could change it", entry{0o460, 0, shared}, us, false},
		"LentToAll":     {"everybody reads it", entry{0o444, 0, shared}, us, false},
		"RootsGroup":    {"for root a file of root's is its own", entry{0o440, 0, shared}, 0, false},
		"Token":         {"as Kubernetes gives a token to a pod with a user and a group of one number", entry{0o640, us, us}, us, true},
		"TokenWritable": {"nobody has a reason to", entry{0o660, us, us}, us, false},
		"TokenToAll":    {"everybody reads it", entry{0o644, us, us}, us, false},
		"TokenOfOthers": {"another user's, with that user's group", entry{0o640, 1000, 1000}, us, false},
		"RootsOwnGroup": {"for root there is no lending", entry{0o640, 0, 0}, 0, false},
		"SomebodyElses": {"that owner is neither root nor us", entry{0o440, 1000, shared}, us, false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := private(c.file, c.uid); (err == nil) != c.ok {
				t.Errorf("got %v, want it accepted: %v: %s", err, c.ok, c.reason)
			}
		})
	}
}
