package program

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestPrune keeps what was used last.
func TestPrune(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	ages := map[string]time.Duration{
		"p-1": 0, "p-2": time.Hour, "p-3": 2 * time.Hour, "p-4": 3 * time.Hour, "p-5": 4 * time.Hour, "p-old": unused + time.Hour,
		"other-old": unused + time.Hour,
	}
	for name, age := range ages {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	left := func() (names []string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	if err := prune(filepath.Join(dir, "p-*"), now.Add(-unused)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"other-old", "p-1", "p-2", "p-3", "p-4", "p-5"}, left()); d != "" {
		t.Errorf("what is old was kept, or more was removed: %s", d)
	}
	for _, name := range []string{"p-6", "p-7"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := prune(filepath.Join(dir, "p-*"), now.Add(-unused)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"other-old", "p-1", "p-2", "p-3", "p-4", "p-6", "p-7"}, left()); d != "" {
		t.Errorf("of too many not the oldest was removed: %s", d)
	}
}

// TestListed checks that a program's key depends on its sources, and on those
// alone.
func TestListed(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module example.com/m\n\ngo 1.26\n")
	write("go.sum", "")
	write("main.go", "package main\n\nimport \"example.com/m/used\"\n\nfunc main() { used.It() }\n")
	write("used/used.go", "package used\n\nimport _ \"embed\"\n\n//go:embed text\nvar text string\n\nfunc It() { print(text) }\n")
	write("used/text", "one")
	write("unused/unused.go", "package unused\n")
	hash := func() string {
		var sum bytes.Buffer
		if err := (Source{Module: dir, Package: "."}).hashListed(t.Context(), &sum); err != nil {
			t.Fatal(err)
		}
		return sum.String()
	}
	first := hash()
	write("unused/unused.go", "package unused\n\nvar Changed int\n")
	write("used/used_test.go", "package used\n")
	if hash() != first {
		t.Error("what is not built changes the key")
	}
	for name, text := range map[string]string{
		"used/text": "two", "main.go": "package main\n\nimport \"example.com/m/used\"\n\nfunc main() { used.It(); used.It() }\n", "go.mod": "module example.com/m\n\ngo 1.26\n\n// changed\n",
	} {
		before := hash()
		write(name, text)
		if hash() == before {
			t.Errorf("a change of %s does not change the key", name)
		}
	}
}
