//go:build unix

// Package program builds programs for tests that run them as processes, in
// sandboxes or in pods. A test cannot kill a part of its own process, and a
// program that links a Temporal server would have to be compiled once more for
// the race detector.
//
// Programs are built as the Makefile builds what is released: static, without
// symbols, and without the paths of the machine, so that the Go tool compiles
// each package once for all of them.
package program

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// ldflags leave out the symbols for debuggers, which are half of the size.
const ldflags = "-s -w"

// Build builds programs of one module side by side, and returns their
// directory, in which each has the name of its package's directory. Build runs
// in a directory of the module, the current one by default. It takes minutes
// where a Temporal server was never built, else a second or two for each.
//
// The directory is in the user's cache, one for each module of each clone, so
// that the Go tool can see which programs are up to date and another clone
// changes nothing. Processes that build at once wait for each other, and say so
// on w.
func Build(ctx context.Context, w io.Writer, module string, packages ...string) (dir string, err error) {
	file, err := Go(ctx, module, "env", "GOMOD")
	if err != nil {
		return "", err
	}
	dir, unlock, err := open(ctx, w, file)
	if err != nil {
		return "", err
	}
	defer unlock()
	for _, p := range packages {
		if err := build(ctx, module, p, "", filepath.Join(dir, path.Base(p))); err != nil {
			return "", err
		}
	}
	return dir, nil
}

func build(ctx context.Context, module, pkg, flags, to string) error {
	_, err := Go(ctx, module, "build", "-trimpath", "-buildvcs=false", "-ldflags="+ldflags+flags, "-o", to, pkg)
	return err
}

// Module is the directory of a module that the current one is or requires.
func Module(ctx context.Context, name string) (string, error) {
	dir, err := Go(ctx, "", "list", "-m", "-f", "{{.Dir}}", name)
	if err != nil {
		return "", fmt.Errorf("find the directory of %s (run this in a module that requires it): %w", name, err)
	}
	return dir, nil
}

// Go runs the Go tool, as programs are built, and returns its output.
func Go(ctx context.Context, dir string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the words above
	c.Dir = dir
	// A workspace or flags of the environment must not change the program.
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 10 * time.Second
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, errs.String())
	}
	return strings.TrimSpace(out.String()), nil
}
