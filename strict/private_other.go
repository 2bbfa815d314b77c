//go:build !unix

package strict

import "io/fs"

// rootsForUs is false where there is no root.
func rootsForUs(fs.FileInfo) bool { return false }
