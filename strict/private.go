package strict

import "io/fs"

// Where a file's mode lets others than its owner in.
const (
	others       fs.FileMode = 0o077
	beyondGroups fs.FileMode = 0o037 // everybody, and its group to change it
)

// Private reports whether a file that holds a secret is for whom it is meant
// alone: its owner, and a group that may read it where that lets nobody else
// in. That is one of a file of root's, who may read everything anyway, and the
// owner's own, which has the owner's number. So Kubernetes mounts Secrets and
// tokens for programs that don't run as root.
func Private(info fs.FileInfo) bool {
	return private(info.Mode().Perm(), forUs(info))
}

func private(mode fs.FileMode, group bool) bool {
	if group {
		return mode&beyondGroups == 0
	}
	return mode&others == 0
}
