package compat

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// pinned is the subject of a golden file.
type pinned struct {
	file   string // in testdata
	what   string // what the file lists
	broken string // what breaks when a line changes
}

// hold compares lines with the golden file.
func (p pinned) hold(t *testing.T, lines []string) {
	t.Helper()
	if len(lines) == 0 {
		t.Fatalf("%s: the test finds nothing of what it pins: %s", p.file, p.what)
	}
	name := filepath.Join("testdata", p.file)
	now := append([]string{fmt.Sprintf("# %s. If a line changes: %s.", p.what, p.broken)}, lines...)
	if *update {
		if err := os.WriteFile(name, []byte(strings.Join(now, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if d := cmp.Diff(before, now); d != "" {
		t.Errorf("%s differs: %s. Lines are pinned because they are stored, signed, sent or configured (-pinned +now)\n%s", p.file, p.broken, d)
	}
}

// fixture returns the lines of a file that an earlier version wrote. Unlike a
// golden file it is never rewritten; -update only writes a missing one.
func fixture(t *testing.T, file string, write func() []string) []string {
	t.Helper()
	name := filepath.Join("testdata", file)
	if _, err := os.Stat(name); *update && errors.Is(err, fs.ErrNotExist) {
		if err := os.WriteFile(name, []byte(strings.Join(write(), "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var lines []string
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		if !strings.HasPrefix(s.Text(), "#") {
			lines = append(lines, s.Text())
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}
