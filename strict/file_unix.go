//go:build unix

package strict

import (
	"io/fs"
	"os"
	"syscall"
)

func uid() int { return os.Getuid() }

func ownedByRoot(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && s.Uid == 0
}

// ownedAlone reports whether a file is a user's, and of the group that is named
// after the user alone.
func ownedAlone(info fs.FileInfo, uid int) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == uid && s.Gid == s.Uid
}
