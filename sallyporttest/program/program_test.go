//go:build unix

package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// cached gives a test a cache of programs of its own, and the Go tool the one
// that it has.
func cached(t *testing.T) {
	t.Helper()
	cache, err := Go(t.Context(), "", "env", "GOCACHE")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOCACHE", cache)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir()) // where UserCacheDir looks on other systems
}

// module is one with a program that prints a word, and a linker's.
func module(t *testing.T, word string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module example.com/tiny\n\ngo 1.26\n")
	write(t, filepath.Join(dir, "main.go"), says(word))
	return dir
}

func says(word string) string {
	return fmt.Sprintf("package main\n\nimport \"os\"\n\nvar stamp string\n\nfunc main() { os.Stdout.WriteString(%q + stamp) }\n", word)
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func said(t *testing.T, file string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), file).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestBuild wants one directory for a module, whose programs follow its sources.
func TestBuild(t *testing.T) {
	cached(t)
	one, other := module(t, "one"), module(t, "other")
	t.Setenv("GOFLAGS", "-tags=other -race") // which must not change the program
	var log bytes.Buffer
	first, err := Build(t.Context(), &log, one, "example.com/tiny")
	if err != nil {
		t.Fatal(err)
	}
	if got := said(t, filepath.Join(first, "tiny")); got != "one" {
		t.Errorf("the program says %q", got)
	}
	write(t, filepath.Join(one, "main.go"), says("two"))
	second, err := Build(t.Context(), &log, one, "example.com/tiny")
	if err != nil || second != first {
		t.Errorf("the directory is %q, and was %q: %v", second, first, err)
	}
	if got := said(t, filepath.Join(second, "tiny")); got != "two" {
		t.Errorf("the program of changed sources says %q", got)
	}
	third, err := Build(t.Context(), &log, other, "example.com/tiny")
	if err != nil || third == first {
		t.Errorf("another clone has the same directory %q: %v", third, err)
	}
	write(t, filepath.Join(one, "main.go"), "package main\n\nfunc main() { nonsense() }\n")
	if _, err := Build(t.Context(), &log, one, "example.com/tiny"); err == nil || !strings.Contains(err.Error(), "undefined: nonsense") {
		t.Errorf("error %v, want the compiler's", err)
	}
	if log.Len() > 0 {
		t.Errorf("it said: %s", log.String())
	}
}

// TestKept wants a program to be built once for the same sources in any
// directory, and again for others.
func TestKept(t *testing.T) {
	cached(t)
	stamp := func(context.Context, string) (string, error) { return " -X main.stamp=!", nil }
	kept := func(dir string) (file, log string) {
		t.Helper()
		var w bytes.Buffer
		file, err := Kept{Name: "tiny", Module: dir, Stamp: stamp, Notice: "Building a tiny program."}.Build(t.Context(), &w)
		if err != nil {
			t.Fatal(err)
		}
		return file, w.String()
	}
	dir := module(t, "one")
	first, log := kept(dir)
	if got := said(t, first); got != "one!" {
		t.Errorf("the program says %q", got)
	}
	if want := "Building a tiny program. It is kept in " + filepath.Dir(first) + ".\n"; log != want {
		t.Errorf("it said %q, want %q", log, want)
	}
	write(t, filepath.Join(dir, "main_test.go"), "package main\n")
	for _, same := range []string{dir, module(t, "one")} {
		if file, log := kept(same); file != first || log != "" {
			t.Errorf("the same sources are built again in %s, not in %s: %s", file, first, log)
		}
	}
	write(t, filepath.Join(dir, "main.go"), says("two"))
	if file, _ := kept(dir); file == first || said(t, file) != "two!" || said(t, first) != "one!" {
		t.Errorf("changed sources are built in %s, the old ones in %s", file, first)
	}
}

// TestLock lets one process build at a time.
func TestLock(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	var log bytes.Buffer
	unlock, err := lock(t.Context(), name, &log)
	if err != nil || log.Len() > 0 {
		t.Fatalf("the first waits: %v, %s", err, &log)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
	defer cancel()
	if _, err := lock(ctx, name, &log); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the second does not wait: %v", err)
	}
	if want := "Another process builds programs in " + filepath.Dir(name) + ": waiting for it.\n"; log.String() != want {
		t.Errorf("the second says %q, want %q once", &log, want)
	}
	unlock()
	unlock, err = lock(t.Context(), name, &log)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

// TestPrune removes what has not been used for long.
func TestPrune(t *testing.T) {
	all := t.TempDir()
	now := time.Now()
	for name, age := range map[string]time.Duration{"used": 0, "rarely": unused - time.Hour, "old": unused + time.Hour} {
		dir := filepath.Join(all, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "program"), "")
		if err := os.Chtimes(dir, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	if err := prune(all, now.Add(-unused)); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(all)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if d := cmp.Diff([]string{"rarely", "used"}, left); d != "" {
		t.Errorf("directories (-want +got)\n%s", d)
	}
}
