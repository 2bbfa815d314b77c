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
