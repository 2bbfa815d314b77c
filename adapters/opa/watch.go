package opa

import (
	"context"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// quietFor is how long a directory must not change before it is read:
	// editors and deployments change several files.
	quietFor = 100 * time.Millisecond
	// quietAtMost bounds the wait for a directory that changes all the time.
	quietAtMost = 2 * time.Second
)

// Watch reloads the policy whenever its directory changes, until ctx ends. A
// bad policy, or none, leaves the last good one in place and is logged with
// file, line and reason. An embedded policy never changes.
func (e *Engine) Watch(ctx context.Context) error {
	if e.dir == "" {
		<-ctx.Done()
		return nil
	}
	dir, err := filepath.Abs(e.dir)
	if err != nil {
		return err
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer func() { _ = w.Close() }()
	poll := time.NewTicker(e.poll)
	defer poll.Stop()
	for first := true; ; first = false {
		// Before reading, so that no change falls between.
		e.follow(ctx, w, dir)
		_ = e.Reload(ctx) // logged there
		if first {
			e.log.InfoContext(ctx, "policy directory watched", slog.String("dir", dir))
		}
		if !e.awaitChange(ctx, w, poll.C, dir) {
			return nil
		}
	}
}

// follow watches the directory with all directories in it, and the one above,
// which sees the directory itself come, go and be swapped.
func (e *Engine) follow(ctx context.Context, w *fsnotify.Watcher, dir string) {
	add := func(path string) {
		if err := w.Add(path); err != nil {
			e.log.DebugContext(ctx, "policy directory can't be watched", slog.String("dir", path), slog.Any("error", err))
		}
	}
	add(filepath.Dir(dir))
	add(dir)
	_ = fs.WalkDir(e.fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && name != "." && entry.Type()&(fs.ModeDir|fs.ModeSymlink) != 0 {
			if info, err := fs.Stat(e.fsys, name); err == nil && info.IsDir() {
				add(filepath.Join(dir, filepath.FromSlash(name)))
			}
		}
		return nil
	})
}

// awaitChange waits until the directory has changed and is quiet again. It is
// false when ctx ends.
func (e *Engine) awaitChange(ctx context.Context, w *fsnotify.Watcher, poll <-chan time.Time, dir string) bool {
	var quiet, enough <-chan time.Time // nil until something changes
	mark := func() {
		quiet = time.After(quietFor)
		if enough == nil {
			enough = time.After(quietAtMost)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return false
		case <-poll:
			if quiet == nil { // it may fall between two files of a deployment
				mark()
			}
		case <-quiet:
			return true
		case <-enough:
			return true
		case err := <-w.Errors:
			e.log.WarnContext(ctx, "notifications about the policy were lost", slog.Any("error", err))
			return true
		case event := <-w.Events:
			if event.Name != dir && !strings.HasPrefix(event.Name, dir+string(filepath.Separator)) {
				continue
			}
			mark()
		}
	}
}
