//go:build unix

package strict

import (
	"io/fs"
	"os"
	"syscall"
)

// rootsForUs reports whether a file is root's, and we are not.
func rootsForUs(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Uid == 0 && os.Geteuid() != 0
}
