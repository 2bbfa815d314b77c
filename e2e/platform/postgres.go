package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/e2e/cluster"
)

// debian is where Debian's packages have PostgreSQL's programs, by major
// version.
const debian = "/usr/lib/postgresql/*/bin"

// Missing says what this machine lacks for a platform, beside what
// [cluster.Missing] says, and what to do about it.
func Missing() error {
	_, err := newest()
	return err
}

// newest is the directory of the newest PostgreSQL.
func newest() (string, error) {
	dirs, err := filepath.Glob(debian)
	if err != nil {
		return "", err
	}
	found, of := "", 0
	for _, d := range dirs {
		major, err := strconv.Atoi(filepath.Base(filepath.Dir(d)))
		if err != nil || major < of {
			continue
		}
		if _, err := os.Stat(filepath.Join(d, "initdb")); err == nil { // the package may be its client alone
			found, of = d, major
		}
	}
	if found == "" {
		return "", errors.New("PostgreSQL is missing; on Debian: sudo apt-get install --no-install-recommends postgresql")
	}
	return found, nil
}

// postgres lays out the root of an image with PostgreSQL, of the files of
// Debian's package and the libraries that they need.
func postgres(ctx context.Context, root string) error {
	bin, err := newest()
	if err != nil {
		return err
	}
	version := filepath.Base(filepath.Dir(bin))
	programs := []string{"/bin/sh", bin + "/initdb", bin + "/postgres", bin + "/pg_isready"}
	for _, dir := range []string{filepath.Dir(bin) + "/lib", "/usr/share/postgresql/" + version} {
		if err := copyTree(root, dir); err != nil {
			return err
		}
	}
	wanted, err := libraries(ctx, programs)
	if err != nil {
		return err
	}
	for _, file := range append(wanted, programs...) {
		if err := copyFile(root, file); err != nil {
			return err
		}
	}
	return addSystemFiles(root, bin)
}

// addSystemFiles adds what the programs look for beside their own files.
func addSystemFiles(root, bin string) error {
	for _, dir := range []string{"dev", "etc", "proc", "sys", "tmp", "usr/bin"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil { //nolint:gosec // the root of an image
			return err
		}
	}
	user, _, _ := strings.Cut(cluster.User, ":")
	account := "postgres:x:" + user + ":" + user + "::/:/bin/sh\n"
	if err := os.WriteFile(filepath.Join(root, "etc", "passwd"), []byte(account), 0o644); err != nil {
		return err
	}
	for _, name := range []string{"initdb", "postgres", "pg_isready"} {
		if err := os.Symlink(filepath.Join(bin, name), filepath.Join(root, "usr/bin", name)); err != nil {
			return err
		}
	}
	return nil
}

// libraries asks the loader which libraries the programs load.
func libraries(ctx context.Context, programs []string) ([]string, error) {
	out, err := exec.CommandContext(ctx, "ldd", programs...).Output() //nolint:gosec // the names above
	if err != nil {
		return nil, fmt.Errorf("ldd: %w", err)
	}
	seen := map[string]bool{}
	var files []string
	for line := range strings.Lines(string(out)) {
		// "libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f)" or "/lib64/ld-linux-x86-64.so.2 (0x00007f)"
		for word := range strings.FieldsSeq(line) {
			if strings.HasPrefix(word, "/") && !strings.HasSuffix(word, ":") && !seen[word] {
				seen[word] = true
				files = append(files, word)
			}
		}
	}
	return files, nil
}

// copyTree copies a directory to the same place below root, without the
// just-in-time compiler, which is large.
func copyTree(root, dir string) error {
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == "bitcode" {
			return filepath.SkipDir
		}
		if d.IsDir() || strings.HasPrefix(d.Name(), "llvmjit") {
			return nil
		}
		return copyFile(root, name)
	})
}

// copyFile copies what a name leads to, to the same place below root.
func copyFile(root, name string) (err error) {
	to := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil { //nolint:gosec // the root of an image
		return err
	}
	from, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	info, err := from.Stat()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}
