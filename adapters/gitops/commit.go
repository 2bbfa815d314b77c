package gitops

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/tools/unidiff"
)

// attempts is how often Commit starts again because people pushed meanwhile. Each
// attempt takes milliseconds.
const attempts = 32

// Commit replaces the permit's one file by new content, in one commit on top
// of the branch: only if the file at the head is still the one that was read
// (optimistic concurrency), if the plan's preconditions hold, and if there is no
// commit of this call yet. An error means that the branch was not moved.
//
// Errors are of kind [sallyport.Denied] for an invalid permit or one for another
// file, and [sallyport.Conflict] with the codes "conflict" (the file
// has changed), "precondition_failed" (the plan was made from another file),
// "already_committed" (this call has its commit) and "repository_busy" (others
// held it for too long, or ctx ended). [sallyport.Unavailable] is a repository
// that can't be read or written.
func (r *Repository) Commit(ctx context.Context, permit sallyport.Permit, path string, read, content []byte) (string, error) {
	if err := permit.Check(); err != nil {
		return "", err
	}
	if err := checkChange(permit, path, read, content); err != nil {
		return "", err
	}
	release, err := r.lock.acquire(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	for range attempts {
		var commit plumbing.Hash
		var landed bool
		err := r.view(ctx, func(repo *git.Repository) (err error) {
			commit, landed, err = r.attempt(ctx, repo, permit, read, content)
			return err
		})
		if ctx.Err() != nil && err != nil {
			return "", busy(err)
		}
		if err != nil {
			return "", err
		}
		if landed {
			return commit.String(), nil
		}
	}
	return "", busy(fmt.Errorf("other commits moved the branch in each of %d attempts; try again", attempts))
}

// checkChange checks a change against the permit alone.
func checkChange(permit sallyport.Permit, path string, read, content []byte) error {
	i := permit.Intent()
	own, err := target(i)
	switch {
	case err != nil:
		return err
	case i.Tool.ReadOnly:
		return sallyport.Errorf(sallyport.Denied, sallyport.CodeReadOnly, "tool %s is read-only and may not commit", i.Tool.Name)
	case !sallyport.ValidCallID(i.CallID):
		return sallyport.Errorf(sallyport.Denied, sallyport.CodeNoCall, "the permit has no valid call id")
	case path != own:
		return sallyport.Errorf(sallyport.Denied, sallyport.CodeOtherFile, "the permit is for %s, not for %.200q", own, path)
	case len(content) > maxFileBytes:
		return sallyport.Errorf(sallyport.Invalid, sallyport.CodeFileTooLarge, "the file %s would have more than the limit of %d bytes", own, maxFileBytes)
	case bytes.Equal(read, content):
		return sallyport.Errorf(sallyport.Invalid, sallyport.CodeNoChange, "the commit would not change the file %s", own)
	}
	plan := permit.Plan()
	if plan == nil {
		return nil
	}
	var expect struct {
		Path string `json:"path"`
		Blob string `json:"blob"` // SHA-256 of the whole file
	}
	if err := strict.Decode(plan.Preconditions, &expect); err != nil {
		return sallyport.Errorf(sallyport.Conflict, sallyport.CodePreconditionFailed, "cannot read the plan's preconditions: %w", err)
	}
	sum := sha256.Sum256(read)
	if expect.Path != own || expect.Blob != "sha256:"+hex.EncodeToString(sum[:]) {
		return sallyport.Errorf(sallyport.Conflict, sallyport.CodePreconditionFailed, "%s has changed since the plan was made; make the call again", own)
	}
	if unidiff.Unified(path, string(read), string(content)) != plan.Diff {
		return sallyport.Errorf(sallyport.Denied, sallyport.CodeOtherChange, "the change of %s differs from the approved plan", own)
	}
	return nil
}

// attempt makes the commit on top of the current head. It has not landed if the
// branch was moved meanwhile.
func (r *Repository) attempt(ctx context.Context, repo *git.Repository, permit sallyport.Permit, read, content []byte) (commit plumbing.Hash, landed bool, err error) {
	i := permit.Intent()
	head, err := r.head(repo)
	if err != nil {
		return commit, false, err
	}
	if err := r.refuseSecond(ctx, repo, head, i); err != nil {
		return commit, false, err
	}
	f, err := find(repo, head, i.Namespace, i.Name+".yaml")
	if sallyport.CodeOf(err) == sallyport.CodeNotFound {
		return commit, false, sallyport.Errorf(sallyport.Conflict, sallyport.CodeConflict, "%s/%s.yaml was removed since it was read; make the call again", i.Namespace, i.Name)
	}
	if err != nil {
		return commit, false, err
	}
	if f.entry().Hash != plumbing.ComputeHash(plumbing.BlobObject, read) {
		return commit, false, sallyport.Errorf(sallyport.Conflict, sallyport.CodeConflict, "%s/%s.yaml has changed since it was read; make the call again", i.Namespace, i.Name)
	}
	now := object.Signature{Name: r.o.CommitterName, Email: r.o.CommitterEmail, When: r.o.Now().UTC()}
	w := writer{repo: repo, path: r.o.Path}
	f.entry().Hash = w.blob(content)
	f.root.Entries[f.dirIndex].Hash = w.encode(&object.Tree{Entries: f.dir.Entries})
	commit = w.encode(&object.Commit{
		Author: now, Committer: now, Message: message(permit),
		TreeHash: w.encode(&object.Tree{Entries: f.root.Entries}), ParentHashes: []plumbing.Hash{head},
	})
	if w.err != nil {
		return commit, false, unavailable(w.err)
	}
	landed, err = r.lock.swap(ctx, commit, func() (bool, error) {
		now, err := r.head(repo)
		return now == head, err
	})
	return commit, landed, err
}

// writer writes objects and keeps the first error.
type writer struct {
	repo *git.Repository
	path string
	err  error
}

func (w *writer) blob(content []byte) plumbing.Hash {
	o := w.repo.Storer.NewEncodedObject()
	o.SetType(plumbing.BlobObject)
	out, err := o.Writer()
	if err == nil {
		_, err = out.Write(content)
		err = errors.Join(err, out.Close())
	}
	return w.store(o, err)
}

func (w *writer) encode(v interface {
	Encode(plumbing.EncodedObject) error
},
) plumbing.Hash {
	o := w.repo.Storer.NewEncodedObject()
	return w.store(o, v.Encode(o))
}

// store writes an object and makes it durable: a branch must not point to a
// commit that a power failure can lose.
func (w *writer) store(o plumbing.EncodedObject, err error) plumbing.Hash {
	if w.err = errors.Join(w.err, err); w.err != nil {
		return plumbing.ZeroHash
	}
	h, err := w.repo.Storer.SetEncodedObject(o)
	if err == nil {
		hex := h.String()
		dir := filepath.Join(w.path, "objects", hex[:2])
		err = errors.Join(syncFile(filepath.Join(dir, hex[2:])), syncDir(dir))
	}
	w.err = err
	return h
}
