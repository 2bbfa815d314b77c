package cluster

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
	"strings"
	"syscall"
	"time"
)

// module is ours, whose directory the programs are built in.
const module = "github.com/sallyport/sallyport/e2e"

// unused is how long a program of other sources is kept after its last use.
const unused = 30 * 24 * time.Hour

// ldflags leave out what a debugger would want: half of the size.
const ldflags = "-s -w"

// Programs are the files of what a cluster is made of.
type Programs struct {
	Kubernetes string // all of Kubernetes; its first argument names the program, kubectl too
	CoreDNS    string
	Node       string
	Netpold    string
	Testbox    string // for pods: see its own documentation
}

// program is one to build.
type program struct {
	name    string
	module  string                                                // directory of its module
	pkg     string                                                // from there
	sources []string                                              // directories and files that it is built of, from there
	stamp   func(ctx context.Context, dir string) (string, error) // flags of the linker that say the version
	notice  string                                                // what takes so long, if it does
	file    *string
}

// Build builds the programs that are not built yet, of exactly these sources,
// and says so on w. They are kept in the user's cache directory, outside of
// the repository, so that the next clone doesn't wait again. They are static,
// and never built with the race detector: nearly all of them isn't ours.
func Build(ctx context.Context, w io.Writer) (Programs, error) {
	dir, err := output(ctx, "", "list", "-m", "-f", "{{.Dir}}", module)
	if err != nil {
		return Programs{}, fmt.Errorf("finding the module's directory (run this in %s): %w", "e2e", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return Programs{}, err
	}
	cache = filepath.Join(cache, "sallyport", "e2e")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return Programs{}, err
	}
	version, err := output(ctx, dir, "version")
	if err != nil {
		return Programs{}, err
	}
	unlock, err := lock(ctx, filepath.Join(cache, "lock"), w)
	if err != nil {
		return Programs{}, err
	}
	defer unlock()
	var p Programs
	for _, one := range p.list(dir) {
		if err := one.build(ctx, cache, version, w); err != nil {
			return Programs{}, fmt.Errorf("building %s: %w", one.name, err)
		}
	}
	return p, nil
}

// list says how each is built.
func (p *Programs) list(dir string) []program {
	own := func(name string, file *string, sources ...string) program {
		sources = append(sources, "go.mod", "go.sum", "cmd/"+name)
		return program{name: name, module: dir, pkg: "./cmd/" + name, sources: sources, file: file}
	}
	return []program{
		{
			name: "kubernetes", module: filepath.Join(dir, "cmd", "kubernetes"), pkg: ".", sources: []string{"."}, file: &p.Kubernetes, stamp: stamp,
			notice: "Building Kubernetes with etcd and kubectl as one program. The first time that compiles some 2,000 packages and " +
				"takes up to some 20 minutes on two cores; it is kept in %s.",
		},
		{
			name: "coredns", module: filepath.Join(dir, "cmd", "coredns"), pkg: ".", sources: []string{"."}, file: &p.CoreDNS,
			notice: "Building CoreDNS, the cluster's name server. The first time that takes a minute or two; it is kept in %s.",
		},
		own("node", &p.Node, "internal"),
		own("netpold", &p.Netpold, "internal"),
		own("testbox", &p.Testbox),
	}
}

// build sets the program's file, which it builds if it isn't there.
func (p program) build(ctx context.Context, cache, version string, w io.Writer) error {
	key, err := p.key(version)
	if err != nil {
		return err
	}
	*p.file = filepath.Join(cache, p.name+"-"+key)
	now := time.Now()
	if err := os.Chtimes(*p.file, now, now); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if p.notice != "" {
		_, _ = fmt.Fprintf(w, p.notice+"\n", cache) // to whom it may concern
	}
	flags := ldflags
	if p.stamp != nil {
		more, err := p.stamp(ctx, p.module)
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
	built := filepath.Join(scratch, p.name)
	if _, err := output(ctx, p.module, "build", "-trimpath", "-buildvcs=false", "-ldflags="+flags, "-o", built, p.pkg); err != nil {
		return err
	}
	if err := os.Rename(built, *p.file); err != nil {
		return err
	}
	return prune(filepath.Join(cache, p.name+"-*"), now.Add(-unused))
}

// stamp has Kubernetes say the version that its module requires: it is compiled
// in, and the API server does not start without one.
func stamp(ctx context.Context, dir string) (string, error) {
	version, err := output(ctx, dir, "list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes")
	if err != nil {
		return "", err
	}
	numbers := strings.Split(strings.TrimPrefix(version, "v"), ".")
	if len(numbers) < 2 {
		return "", fmt.Errorf("%q is no version of Kubernetes", version)
	}
	var flags strings.Builder
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		_, _ = fmt.Fprintf(&flags, " -X %[1]s.gitVersion=%[2]s -X %[1]s.gitMajor=%[3]s -X %[1]s.gitMinor=%[4]s -X %[1]s.gitTreeState=clean", pkg, version, numbers[0], numbers[1])
	}
	return flags.String(), nil
}

// key names what a program is built of and with.
func (p program) key(version string) (string, error) {
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "%s %s %s\n", version, runtime.GOARCH, ldflags) // a hash never fails
	files := os.DirFS(p.module)
	for _, source := range p.sources {
		err := fs.WalkDir(files, source, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(name, "_test.go") {
				return err
			}
			data, err := fs.ReadFile(files, name)
			_, _ = fmt.Fprintf(sum, "%s %d\n%s", name, len(data), data)
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:8]), nil
}

// prune removes what nobody has used since then.
func prune(pattern string, then time.Time) error {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	for _, f := range files {
		if info, err := os.Stat(f); err == nil && info.ModTime().Before(then) {
			err = os.Remove(f)
			if err != nil {
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

// output runs the Go tool.
func output(ctx context.Context, dir string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the words above
	c.Dir = dir
	// A workspace or flags of somebody's environment must not change what is built.
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
