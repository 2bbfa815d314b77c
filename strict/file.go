package strict

import (
	"fmt"
	"io/fs"
)

// Private refuses a file of a secret that others may use. Its owner alone may
// read and write it. Where root owns it, and we are not root, our group may
// read it too: so it is lent to us, by Kubernetes among others, and we can't
// change it.
func Private(info fs.FileInfo) error { return private(info, uid()) }

func private(info fs.FileInfo, uid int) error {
	others := fs.FileMode(0o077)
	if ownedByRoot(info) && uid != 0 {
		others = 0o037
	}
	if mode := info.Mode().Perm(); mode&others != 0 {
		return fmt.Errorf("has mode %04o: others may use it; chmod 0600 it", mode)
	}
	return nil
}
