package instance

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/sallyport/sallyport/adapters/gitops"
	"github.com/sallyport/sallyport/dev/demo"
)

const demoBranch = "main"

// seedRepository makes the demo's repository where there is none.
func seedRepository(path string) error {
	if _, err := os.Stat(filepath.Join(path, "HEAD")); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	files, err := manifests()
	if err != nil {
		return err
	}
	return gitops.Init(path, demoBranch, files)
}

func manifests() (map[string][]byte, error) {
	files := map[string][]byte{}
	err := fs.WalkDir(seed, "seed", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := seed.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel("seed", path)
		files[filepath.ToSlash(name)] = b
		return err
	})
	return files, err
}

// head tells the newest commit of the demo's repository.
func head(path string) (c demo.Commit, err error) {
	repo, err := git.PlainOpen(path)
	if err != nil {
		return c, err
	}
	ref, err := repo.Head()
	if err != nil {
		return c, err
	}
	log, err := repo.Log(&git.LogOptions{From: ref.Hash()})
	if err != nil {
		return c, err
	}
	err = log.ForEach(func(o *object.Commit) error {
		if c.Count++; c.Count == 1 {
			c.Hash, c.Message = o.Hash.String(), o.Message
		}
		return nil
	})
	return c, err
}
