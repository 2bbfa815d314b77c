// Package gitops reads and writes one branch of one bare Git repository of
// Kubernetes manifests, one file per call: <namespace>/<name>.yaml.
//
// A write is one commit on top of the branch, made under a lock and moved
// into place by compare-and-swap, so that Sallyport's processes and people
// who push with git can work on one branch at the same time. The commit's
// trailers name the call, the agent, the people and the digests, and let
// [Repository.Reconcile] find it again.
package gitops

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"

	"github.com/sallyport/sallyport"
)

const (
	// maxFileBytes bounds the files that are read and written.
	maxFileBytes = 1 << 20
	// reopens is how often a read starts again because git repacks meanwhile.
	reopens = 5
)

// Options configure a [Repository]. All are required.
type Options struct {
	Path           string           // of the bare repository's directory
	Branch         string           // such as main
	CommitterName  string           // of the gateway's commits
	CommitterEmail string           //
	Now            func() time.Time // the commits' time
}

// Repository is one branch of a bare repository. It is safe for concurrent
// use, also by several processes.
type Repository struct {
	o      Options
	branch plumbing.ReferenceName
	lock   *branchLock
}

// New opens a repository. It refuses one whose branch has no commit, and one that
// is not bare.
func New(o Options) (*Repository, error) {
	if o.Path == "" || o.Branch == "" || o.Now == nil {
		return nil, errors.New("gitops: Options.Path, Branch and Now are required")
	}
	if !identity.MatchString(o.CommitterName) || !identity.MatchString(o.CommitterEmail) {
		return nil, errors.New("gitops: want a committer name and an address, each on one line and without < and >")
	}
	branch := plumbing.NewBranchReferenceName(o.Branch)
	if err := branch.Validate(); err != nil {
		return nil, fmt.Errorf("gitops: invalid branch name %q: %w", o.Branch, err)
	}
	path, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, fmt.Errorf("gitops: %w", err)
	}
	o.Path = path
	repo, err := git.PlainOpen(path)
	if err != nil {
		return nil, fmt.Errorf("gitops: cannot open the repository %s: %w", path, err)
	}
	if c, err := repo.Config(); err != nil || !c.Core.IsBare {
		return nil, fmt.Errorf("gitops: %s is not a bare repository; make one with git clone --bare", path)
	}
	r := &Repository{o: o, branch: branch, lock: newBranchLock(path, branch)}
	if _, err := r.head(repo); err != nil {
		return nil, fmt.Errorf("gitops: %w", err)
	}
	return r, nil
}

var (
	identity = regexp.MustCompile(`^[^\x00-\x1f\x7f<>]{1,100}$`)
	label    = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
)

// target is the path of the one file that an intent is about.
func target(i sallyport.Intent) (string, error) {
	if !label.MatchString(i.Namespace) || !label.MatchString(i.Name) {
		return "", sallyport.Errorf(sallyport.Invalid, sallyport.CodeBadTarget, "namespace %.80q and name %.80q must be DNS labels, because they name a file", i.Namespace, i.Name)
	}
	return i.Namespace + "/" + i.Name + ".yaml", nil
}

// Checkout returns the one file that an intent is about, by its path, from the
// head of the branch. A path without a plain file is an error of kind
// [sallyport.NotFound].
func (r *Repository) Checkout(ctx context.Context, i sallyport.Intent) (map[string][]byte, error) {
	path, err := target(i)
	if err != nil {
		return nil, err
	}
	var content []byte
	err = r.view(ctx, func(repo *git.Repository) error {
		head, err := r.head(repo)
		if err != nil {
			return err
		}
		f, err := find(repo, head, i.Namespace, i.Name+".yaml")
		if err != nil {
			return err
		}
		content, err = f.content(repo)
		return err
	})
	if err != nil {
		return nil, err
	}
	return map[string][]byte{path: content}, nil
}

// view opens the repository and reads from it. An open repository does not notice
// that git has packed objects since, so every use opens it again, and starts
// again when objects move while it reads.
func (r *Repository) view(ctx context.Context, read func(*git.Repository) error) error {
	var err error
	for range reopens {
		if err := ctx.Err(); err != nil {
			return unavailable(err)
		}
		var repo *git.Repository
		if repo, err = git.PlainOpen(r.o.Path); err == nil {
			err = read(repo)
		}
		if !moved(err) {
			break
		}
	}
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*sallyport.Error](err); ok {
		return err
	}
	return unavailable(err)
}

// moved reports whether an error may come from objects that git moved.
func moved(err error) bool {
	return errors.Is(err, plumbing.ErrObjectNotFound) || errors.Is(err, dotgit.ErrPackfileNotFound) || errors.Is(err, fs.ErrNotExist)
}

func unavailable(err error) error {
	return sallyport.Errorf(sallyport.Unavailable, sallyport.CodeRepository, "cannot use the Git repository of manifests: %w", err)
}

// head is the commit that the branch points to.
func (r *Repository) head(repo *git.Repository) (plumbing.Hash, error) {
	ref, err := repo.Storer.Reference(r.branch)
	if errors.Is(err, plumbing.ErrReferenceNotFound) {
		return plumbing.ZeroHash, sallyport.Errorf(sallyport.Unavailable, sallyport.CodeNoBranch, "the Git repository of manifests has no branch %s with a commit; create it, or correct the configured branch", r.branch.Short())
	}
	if err != nil {
		return plumbing.ZeroHash, err
	}
	if ref.Type() != plumbing.HashReference {
		return plumbing.ZeroHash, sallyport.Errorf(sallyport.Unavailable, sallyport.CodeSymbolicBranch, "the branch %s is a symbolic reference to another branch; configure that one", r.branch.Short())
	}
	return ref.Hash(), nil
}

// file is the position of a plain file in the tree of a commit.
type file struct {
	root, dir           *object.Tree
	dirIndex, fileIndex int
}

func (f file) entry() *object.TreeEntry { return &f.dir.Entries[f.fileIndex] }

// find looks for a plain file one directory down. It follows no link.
func find(repo *git.Repository, commit plumbing.Hash, dir, name string) (file, error) {
	absent := sallyport.Errorf(sallyport.NotFound, sallyport.CodeNotFound, "the Git repository of manifests has no file %s/%s", dir, name)
	c, err := repo.CommitObject(commit)
	if err != nil {
		return file{}, err
	}
	var f file
	if f.root, err = repo.TreeObject(c.TreeHash); err != nil {
		return file{}, err
	}
	if f.dirIndex = indexOf(f.root, dir, filemode.Dir); f.dirIndex < 0 {
		return file{}, absent
	}
	if f.dir, err = repo.TreeObject(f.root.Entries[f.dirIndex].Hash); err != nil {
		return file{}, err
	}
	if f.fileIndex = indexOf(f.dir, name, filemode.Regular, filemode.Executable, filemode.Deprecated); f.fileIndex < 0 {
		return file{}, absent
	}
	return f, nil
}

func indexOf(t *object.Tree, name string, modes ...filemode.FileMode) int {
	return slices.IndexFunc(t.Entries, func(e object.TreeEntry) bool {
		return e.Name == name && slices.Contains(modes, e.Mode)
	})
}

func (f file) content(repo *git.Repository) (content []byte, err error) {
	size, err := repo.Storer.EncodedObjectSize(f.entry().Hash)
	if err != nil {
		return nil, err
	}
	if size > maxFileBytes {
		return nil, sallyport.Errorf(sallyport.Invalid, sallyport.CodeFileTooLarge, "the file %s has more than the limit of %d bytes", f.entry().Name, maxFileBytes)
	}
	blob, err := repo.BlobObject(f.entry().Hash)
	if err != nil {
		return nil, err
	}
	in, err := blob.Reader()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	return io.ReadAll(in)
}

// private is the path of a file of Sallyport's in the repository, one per branch.
func private(path string, branch plumbing.ReferenceName, kind string) string {
	return filepath.Join(path, "sallyport", url.PathEscape(branch.Short())+"."+kind)
}
