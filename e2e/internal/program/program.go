// Package program builds the programs that test clusters are made of, and
// those that run in them.
package program

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// module is ours, whose directory the programs are built in.
const module = "github.com/sallyport/sallyport/e2e"

// unused is how long a program of other sources is kept after its last use.
const unused = 30 * 24 * time.Hour

// most are how many of one program are kept: some are large, and change with
// nearly every commit.
const most = 6

// ldflags leave out debug information, which is half of the size.
const ldflags = "-s -w"

// Source is a program to build.
type Source struct {
	Name    string
	Module  string                                                // directory of its module
	Package string                                                // from there
	Files   []string                                              // directories and files that it is built of, from there; nil asks the Go tool
	Stamp   func(ctx context.Context, dir string) (string, error) // flags of the linker that say the version
	Notice  string                                                // what takes so long, if it does
	File    *string                                               // set to the file that was built
}

// Build builds the programs that are not built yet, of exactly these sources,
// and says so on w. They are kept in the user's cache directory, outside of
// the repository, so that the next clone doesn't wait again. They are static,
// and never built with the race detector: nearly all of them isn't ours.
func Build(ctx context.Context, w io.Writer, list ...Source) error {
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	cache = filepath.Join(cache, "sallyport", "e2e")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return err
	}
	unlock, err := lock(ctx, filepath.Join(cache, "lock"), w)
	if err != nil {
		return err
	}
	defer unlock()
	for _, one := range list {
		if err := one.build(ctx, cache, w); err != nil {
			return fmt.Errorf("building %s: %w", one.Name, err)
		}
	}
	return nil
}

// Directory is that of the module e2e.
func Directory(ctx context.Context) (string, error) {
	dir, err := Go(ctx, "", "list", "-m", "-f", "{{.Dir}}", module)
	if err != nil {
		return "", fmt.Errorf("finding the module's directory (run this in %s): %w", "e2e", err)
	}
	return dir, nil
}

// build sets the program's file, which it builds if it isn't there.
func (p Source) build(ctx context.Context, cache string, w io.Writer) error {
	key, err := p.key(ctx)
	if err != nil {
		return err
	}
	*p.File = filepath.Join(cache, p.Name+"-"+key)
	now := time.Now()
	if err := os.Chtimes(*p.File, now, now); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if p.Notice != "" {
		_, _ = fmt.Fprintf(w, p.Notice+"\n", cache) // to whom it may concern
	}
	flags := ldflags
	if p.Stamp != nil {
		more, err := p.Stamp(ctx, p.Module)
		if err != nil {
			return err
		}
		flags += more
	}
	scratch, err := os.MkdirTemp(cache, "building-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	built := filepath.Join(scratch, p.Name)
	if _, err := Go(ctx, p.Module, "build", "-trimpath", "-buildvcs=false", "-ldflags="+flags, "-o", built, p.Package); err != nil {
		return err
	}
	if err := os.Rename(built, *p.File); err != nil {
		return err
	}
	return prune(filepath.Join(cache, p.Name+"-*"), now.Add(-unused))
}

// key names what a program is built of and with.
func (p Source) key(ctx context.Context) (string, error) {
	version, err := Go(ctx, p.Module, "version")
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "%s %s %s\n", version, runtime.GOARCH, ldflags) // a hash never fails
	if p.Files == nil {
		err = p.hashListed(ctx, sum)
	} else {
		err = p.hashFiles(sum)
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:8]), err
}

// hashFiles reads the files that are named.
func (p Source) hashFiles(sum io.Writer) error {
	files := os.DirFS(p.Module)
	for _, source := range p.Files {
		err := fs.WalkDir(files, source, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(name, "_test.go") {
				return err
			}
			data, err := fs.ReadFile(files, name)
			_, _ = fmt.Fprintf(sum, "%s %d\n%s", name, len(data), data)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// prune removes files that no build has used since then, and the least recently
// used ones.
func prune(pattern string, then time.Time) error {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	used := map[string]time.Time{}
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			used[f] = info.ModTime()
		}
	}
	slices.SortFunc(files, func(a, b string) int { return used[b].Compare(used[a]) })
	for i, f := range files {
		if i >= most || used[f].Before(then) {
			if err := os.Remove(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// lock lets one process build at a time, so that two don't do the same work.
func lock(ctx context.Context, name string, w io.Writer) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for told := false; ; told = true {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(err, f.Close())
		}
		if !told {
			_, _ = fmt.Fprintln(w, "Another process builds the cluster's programs: waiting for it.")
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		case <-again.C:
		}
	}
}

// Go runs the Go tool, as programs for clusters are built.
func Go(ctx context.Context, dir string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the words above
	c.Dir = dir
	// A workspace or flags of the caller's environment must not change what is built.
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOOS=linux")
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 10 * time.Second
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, errs.String())
	}
	return strings.TrimSpace(out.String()), nil
}
