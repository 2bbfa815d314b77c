package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
)

// debian is where Debian's packages have the programs, by major version.
const debian = "/usr/lib/postgresql/*/bin"

// find looks for the directory with the programs of the newest PostgreSQL of
// Debian's, or else for that of those in PATH.
func find() (string, error) {
	dirs, err := filepath.Glob(debian)
	if err != nil {
		return "", err
	}
	newest, of := "", 0
	for _, d := range dirs {
		major, err := strconv.Atoi(filepath.Base(filepath.Dir(d)))
		if err != nil || major < of {
			continue
		}
		if _, err := os.Stat(filepath.Join(d, "postgres")); err == nil { // the package may be its client alone
			newest, of = d, major
		}
	}
	if newest != "" {
		return newest, nil
	}
	initdb, err := exec.LookPath("initdb")
	if err != nil {
		return "", fmt.Errorf("PostgreSQL's programs are neither in %s nor in PATH: sudo apt-get install postgresql (%w)", debian, err)
	}
	return filepath.Dir(initdb), nil
}

// account is an ordinary user.
type account struct{ uid, gid int }

// unprivileged is the user id that Linux reserves for no privileges.
const unprivileged = "65534"

// ordinary is the account that the cluster runs as when this process is root,
// as which PostgreSQL does not run; nil means this process's own account.
func ordinary() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // no other account is needed
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.LookupId(unprivileged)
	}
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root, and this machine has neither a user postgres nor the user id %s", unprivileged)
	}
	uid, first := strconv.Atoi(u.Uid)
	gid, second := strconv.Atoi(u.Gid)
	return &account{uid, gid}, errors.Join(first, second)
}

// free is an address on which no process listens.
func free(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// lockThread keeps the goroutine on its thread for good, and the thread alive
// as long as the goroutine.
func lockThread() { runtime.LockOSThread() }
