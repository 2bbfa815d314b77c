//go:build unix

package program

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Kept is a program of other people's code, which seldom changes and takes many
// minutes to compile.
type Kept struct {
	Name   string
	Module string                                                // the directory of its module: its files and its go.sum are all of the sources
	Stamp  func(ctx context.Context, dir string) (string, error) // flags of the linker that set the version; may be nil
	Notice string                                                // why this takes so long
}

// Build returns the program's file. It builds the program unless one of exactly
// these sources is kept in the user's cache, by whichever clone, and says so on w.
func (k Kept) Build(ctx context.Context, w io.Writer) (file string, err error) {
	key, err := k.key(ctx)
	if err != nil {
		return "", err
	}
	dir, unlock, err := open(ctx, w, key)
	if err != nil {
		return "", err
	}
	defer unlock()
	file = filepath.Join(dir, k.Name)
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	_, _ = fmt.Fprintf(w, "%s It is kept in %s.\n", k.Notice, dir)
	flags := ""
	if k.Stamp != nil {
		if flags, err = k.Stamp(ctx, k.Module); err != nil {
			return "", err
		}
	}
	// What is there is complete: an interrupted build leaves nothing by this name.
	unfinished := file + ".unfinished"
	if err := build(ctx, k.Module, ".", flags, unfinished); err != nil {
		return "", err
	}
	return file, os.Rename(unfinished, file)
}

// key names the sources of a program, and the Go that compiles them.
func (k Kept) key(ctx context.Context) (string, error) {
	version, err := Go(ctx, k.Module, "version")
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "%s %s %s %s\n", k.Name, version, runtime.GOARCH, ldflags) // a hash never fails
	files := os.DirFS(k.Module)
	err = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, "_test.go") {
			return err
		}
		data, err := fs.ReadFile(files, name)
		_, _ = fmt.Fprintf(sum, "%s %d\n%s", name, len(data), data)
		return err
	})
	return string(sum.Sum(nil)), err
}
