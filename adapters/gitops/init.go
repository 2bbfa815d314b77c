package gitops

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// Init makes a bare repository with one commit that holds the given files, by
// slash-separated path. On an error it leaves nothing. It refuses a path that
// exists.
func Init(path, branch string, files map[string][]byte) (err error) {
	name := plumbing.NewBranchReferenceName(branch)
	if err := name.Validate(); err != nil || branch == "" {
		return fmt.Errorf("gitops: invalid branch name %q", branch)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("gitops: %s exists already or is not accessible; want a new path", path)
	}
	for p := range files {
		if !fs.ValidPath(p) || p == "." || slices.Contains(strings.Split(strings.ToLower(p), "/"), ".git") {
			return fmt.Errorf("gitops: %q is not a valid path of a file in a repository", p)
		}
	}
	draft, err := os.MkdirTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("gitops: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("gitops: could not make the repository %s: %w", path, err), os.RemoveAll(draft))
		}
	}()
	repo, err := git.PlainInitWithOptions(draft, &git.PlainInitOptions{
		Bare: true, InitOptions: git.InitOptions{DefaultBranch: name},
	})
	if err != nil {
		return err
	}
	w := writer{repo: repo, path: draft}
	by := object.Signature{Name: "Sallyport", Email: "sallyport@localhost", When: time.Now().UTC()}
	commit := w.encode(&object.Commit{Author: by, Committer: by, Message: "Begin\n", TreeHash: w.tree(files)})
	if w.err != nil {
		return w.err
	}
	if err := repo.Storer.SetReference(plumbing.NewHashReference(name, commit)); err != nil {
		return err
	}
	return os.Rename(draft, path)
}

// tree writes the tree of files, and of the directories that they are in.
func (w *writer) tree(files map[string][]byte) plumbing.Hash {
	var entries []object.TreeEntry
	dirs := map[string]map[string][]byte{}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		dir, rest, below := strings.Cut(path, "/")
		if !below {
			entries = append(entries, object.TreeEntry{Name: path, Mode: filemode.Regular, Hash: w.blob(files[path])})
			continue
		}
		if dirs[dir] == nil {
			dirs[dir] = map[string][]byte{}
		}
		dirs[dir][rest] = files[path]
	}
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		if _, isFile := files[dir]; isFile {
			w.err = errors.Join(w.err, fmt.Errorf("%q is both a file and a directory", dir))
		}
		entries = append(entries, object.TreeEntry{Name: dir, Mode: filemode.Dir, Hash: w.tree(dirs[dir])})
	}
	sort.Sort(object.TreeEntrySorter(entries))
	return w.encode(&object.Tree{Entries: entries})
}
