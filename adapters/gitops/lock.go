package gitops

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/sallyport/sallyport"
)

const (
	lockTimeout = 30 * time.Second // for another Sallyport process
	refTimeout  = 10 * time.Second // for a git process, which holds a branch for milliseconds
	pollFirst   = time.Millisecond
	pollLast    = 50 * time.Millisecond
)

// branchLock makes it safe to move a branch.
//
// go-git's CheckAndSetReference locks the reference's file with flock and
// then writes it in place. git ignores that lock: it replaces the file by a
// rename, after which go-git writes into a file without a name, and the commit
// is lost; and a crash while go-git writes leaves an empty reference. So the
// lock moves a branch as git does, by compare-and-swap: the process that creates
// <ref>.lock may compare, and moves the branch by renaming that file.
//
// git's lock names no owner, and stays when its owner is killed. Therefore a
// Sallyport process first takes a flock, which ends with the process, on a file
// of its own, and then makes <ref>.lock as a hard link to a second file of its
// own. A process that holds the flock and finds that the two are one file knows
// that a killed Sallyport process made it, and removes it.
type branchLock struct {
	held chan struct{} // full while a goroutine of this process holds the lock

	ref      string // the reference's own file
	refLock  string // git's lock of it
	flock    string // Sallyport's own lock
	prepared string // the reference's next content
}

func newBranchLock(path string, branch plumbing.ReferenceName) *branchLock {
	ref := filepath.Join(path, filepath.FromSlash(branch.String()))
	return &branchLock{
		held: make(chan struct{}, 1), ref: ref, refLock: ref + ".lock",
		flock: private(path, branch, "lock"), prepared: private(path, branch, "ref"),
	}
}

// acquire waits for the lock and removes the files of a killed process.
func (l *branchLock) acquire(ctx context.Context) (release func(), err error) {
	select {
	case l.held <- struct{}{}:
	case <-ctx.Done():
		return nil, busy(ctx.Err())
	}
	defer func() {
		if err != nil {
			<-l.held
		}
	}()
	if err := os.MkdirAll(filepath.Dir(l.flock), 0o755); err != nil { //nolint:gosec // as open as the repository that it is in
		return nil, unavailable(err)
	}
	f, err := os.OpenFile(l.flock, os.O_RDWR|os.O_CREATE, 0o644) //nolint:gosec // as open as the repository that it is in
	if err != nil {
		return nil, unavailable(err)
	}
	err = poll(ctx, lockTimeout, func() (bool, error) { return tryFlock(f) })
	if err == nil {
		err = l.clear()
	}
	if err != nil {
		_ = f.Close()
		return nil, busy(err)
	}
	return func() {
		_ = f.Close() // ends the flock; nothing was written
		<-l.held
	}, nil
}

// clear removes git's lock of the reference if a killed Sallyport process made
// it.
func (l *branchLock) clear() error {
	ours, err := os.Lstat(l.prepared)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	left, err := os.Lstat(l.refLock)
	if err == nil && os.SameFile(ours, left) {
		err = os.Remove(l.refLock)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Remove(l.prepared)
}

// swap moves the branch to a commit if current reports that it still points to
// the old one. Once it has moved, swap reports no error. The caller must hold
// the lock.
func (l *branchLock) swap(ctx context.Context, to plumbing.Hash, current func() (bool, error)) (swapped bool, err error) {
	if err := writeSynced(l.prepared, to.String()+"\n"); err != nil {
		return false, unavailable(err)
	}
	defer func() { _ = os.Remove(l.prepared) }() // the next acquire removes it otherwise
	if err := poll(ctx, refTimeout, l.lockRef); err != nil {
		return false, busy(fmt.Errorf("waiting for %s, which git holds while it moves the branch (remove it if no git process runs): %w", l.refLock, err))
	}
	defer func() {
		if !swapped {
			err = errors.Join(err, os.Remove(l.refLock))
		}
	}()
	if ok, err := current(); err != nil || !ok {
		return false, err
	}
	if err := os.Rename(l.refLock, l.ref); err != nil {
		return false, unavailable(err)
	}
	_ = syncDir(filepath.Dir(l.ref)) // the branch has moved, even if this fails
	return true, nil
}

// lockRef tries to take git's lock of the reference.
func (l *branchLock) lockRef() (bool, error) {
	err := os.Link(l.prepared, l.refLock)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrExist):
		return false, nil
	case errors.Is(err, fs.ErrNotExist): // git removes directories of references that it has packed
		return false, os.MkdirAll(filepath.Dir(l.ref), 0o755) //nolint:gosec // as open as git makes it
	default:
		return false, err
	}
}

// poll tries until it succeeds, fails, or time is over.
func poll(ctx context.Context, limit time.Duration, try func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for wait := pollFirst; ; wait = min(2*wait, pollLast) {
		if ok, err := try(); ok || err != nil {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// busy is the error of a commit that did not get the lock. It is a conflict, not
// an outage: nothing was written.
func busy(err error) error {
	return sallyport.Errorf(sallyport.Conflict, sallyport.CodeRepositoryBusy, "the repository of manifests is busy, and nothing was written: %w", err)
}

func writeSynced(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // it becomes the reference's file, which git makes as open
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncDir(path string) error { return syncFile(path) }

// syncFile makes a file that is already written durable.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
