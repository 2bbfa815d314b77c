package strict

import "io/fs"

// Where a file's mode lets others than its owner in.
const (
	others       fs.FileMode = 0o077
	beyondGroups fs.FileMode = 0o037 // everybody, and its group to change it
)

// Private reports whether a file that holds a secret is for whom it is meant
// alone: its owner, or where that is root, who may read everything anyway, the
// group that root lets read it. So Kubernetes mounts Secrets for programs that
// don't run as root.
func Private(info fs.FileInfo) bool {
	return private(info.Mode().Perm(), rootsForUs(info))
}

func private(mode fs.FileMode, roots bool) bool {
	if roots {
		return mode&beyondGroups == 0
	}
	return mode&others == 0
}
