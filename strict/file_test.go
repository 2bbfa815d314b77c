//go:build unix

package strict_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/strict"
)

func TestWritePrivate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "token")
	if _, err := strict.Secret(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reading what is not there: %v", err)
	}
	for _, secret := range []string{"first", "second"} {
		if err := strict.WritePrivate(path, []byte(secret+"\n")); err != nil {
			t.Fatal(err)
		}
		if got, err := strict.Secret(path); got != secret || err != nil {
			t.Errorf("Secret = %q, %v; want %q", got, err, secret)
		}
		if got, err := strict.Private(path); string(got) != secret+"\n" || err != nil {
			t.Errorf("Private = %q, %v; want all of the file", got, err)
		}
	}
	if err := strict.WritePrivate(filepath.Join(dir, "missing", "token"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("writing into a directory that is not there: %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "taken"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := strict.WritePrivate(filepath.Join(dir, "taken"), nil); err == nil {
		t.Error("a directory was replaced")
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 2 {
		t.Errorf("%v, %v; want nothing beside the file and the directory", names, err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	want := path + " has mode 0644: others may use it; chmod 0600 it, and replace the secret if another user may have read it"
	if got, err := strict.Secret(path); got != "" || err == nil || err.Error() != want {
		t.Errorf("Secret = %q, %v; want %q", got, err, want)
	}
}

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("12345"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := strict.ReadFile(path, 5); string(got) != "12345" || err != nil {
		t.Errorf("ReadFile = %q, %v", got, err)
	}
	if got, err := strict.ReadFile(path, 4); got != nil || err == nil || !strings.Contains(err.Error(), "is longer than 4 bytes") {
		t.Errorf("ReadFile = %q, %v; want a file of 5 bytes to be too long", got, err)
	}
}
