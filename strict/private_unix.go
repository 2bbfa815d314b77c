//go:build unix

package strict

import (
	"io/fs"
	"os"
	"syscall"
)

// forUs reports whether a file's group lets nobody else than us in.
func forUs(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && ours(stat.Uid, stat.Gid, os.Geteuid())
}

// ours reports whether the group of a file is there for us, whose number is
// us. Nobody gives root a secret by a group.
func ours(owner, group uint32, us int) bool {
	if us == 0 {
		return false
	}
	return owner == 0 || int(owner) == us && group == owner
}
