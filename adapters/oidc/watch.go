package oidc

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// quietFor is how long files must not change before they are read, so that
	// no half-written table is loaded.
	quietFor = 100 * time.Millisecond
	// lookEvery is for file systems that report no changes.
	lookEvery = 30 * time.Second
)

// Watch reloads the table when it or one of its JWKS files changes, until ctx
// ends, and then returns nil. A table that is not right is logged, and the
// last good one stays.
func (i *Identities) Watch(ctx context.Context) error {
	var events <-chan fsnotify.Event
	var lost <-chan error
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		i.opts.Logger.WarnContext(ctx, "no news of changed files, looking at intervals", slog.Any("error", err))
	} else {
		defer watcher.Close()
		events, lost = watcher.Events, watcher.Errors
	}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	quiet := time.NewTimer(0) // the table may have changed since it was read
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case event := <-events:
			if i.concerns(filepath.Clean(event.Name)) {
				quiet.Reset(quietFor)
			}
			continue
		case err := <-lost:
			i.opts.Logger.WarnContext(ctx, "news of changed files were lost", slog.Any("error", err))
		case <-look.C:
		case <-quiet.C:
		}
		if watcher != nil {
			i.watchFolders(ctx, watcher)
		}
		changed, err := i.Reload(ctx)
		if err != nil {
			i.opts.Logger.ErrorContext(ctx, "identity table not reloaded, the last good one stays", slog.Any("error", err))
		}
		if changed {
			quiet.Reset(quietFor) // it may name files in folders that are not watched yet
		}
	}
}

// concerns reports whether a file is one that the table is made of. Others
// may change all the time in the same folder. Kubernetes changes a mounted
// table by a link whose name begins with two dots.
func (i *Identities) concerns(path string) bool {
	if strings.HasPrefix(filepath.Base(path), "..") || path == filepath.Clean(i.opts.Table) {
		return true
	}
	_, named := i.snapshot.Load().files[path]
	return named
}

// watchFolders watches folders, not files: editors and Kubernetes replace
// files. Watching one twice is watching it once.
func (i *Identities) watchFolders(ctx context.Context, watcher *fsnotify.Watcher) {
	folders := map[string]bool{filepath.Dir(i.opts.Table): true}
	for path := range i.snapshot.Load().files {
		folders[filepath.Dir(path)] = true
	}
	for folder := range folders {
		if err := watcher.Add(folder); err != nil {
			i.opts.Logger.WarnContext(ctx, "no news of a changed folder, looking at intervals",
				slog.String("folder", folder), slog.Any("error", err))
		}
	}
}
