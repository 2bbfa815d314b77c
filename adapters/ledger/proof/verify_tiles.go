package proof

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sallyport/sallyport"
)

// TilesOptions say which published log to verify, and against what.
type TilesOptions struct {
	// Fetch reads what is published at a path, as C2SP tlog-tiles has it.
	Fetch     func(ctx context.Context, path string) ([]byte, error)
	Verifiers note.Verifiers
	Known     [][]byte // checkpoints that were kept elsewhere, which the log must extend
}

// VerifyTiles reads all leaves of a published log, and checks that they are the
// signed tree, that they extend the known checkpoints, and that no call lacks
// a leaf between others. It needs no database.
func VerifyTiles(ctx context.Context, o TilesOptions) (Report, error) {
	r := NewReport()
	msg, err := o.Fetch(ctx, CheckpointPath)
	if err != nil {
		return r, fmt.Errorf("the checkpoint can't be read: %w", err)
	}
	head, err := OpenCheckpoint(msg, o.Verifiers)
	if err != nil {
		r.Find(CheckpointPath, "it is not one that this log signed: %v", err)
		return r, nil
	}
	t := tilesCheck{options: o, report: &r, head: head.Tree, edge: NewFrontier(), signed: map[int64][]signedTree{}, calls: map[string]*Chain{}}
	t.expect("the checkpoint", head.Tree)
	for i, known := range o.Known {
		where := fmt.Sprintf("known checkpoint %d", i)
		if c, err := OpenCheckpoint(known, o.Verifiers); err != nil {
			r.Find(where, "it is not one that this log signed: %v", err)
		} else if t.expect(where, c.Tree); c.Tree.N > head.Tree.N {
			r.Find(where, "it is for %d leaves and the published one for %d: the log was set back", c.Tree.N, head.Tree.N)
		}
	}
	if err := t.leaves(ctx); err != nil {
		return r, fmt.Errorf("the log could not be verified to its end: %w", err)
	}
	r.Leaves, r.Calls, r.Checkpoints, r.Root = head.Tree.N, int64(len(t.calls))-r.Freezes, 1, head.Tree.Hash.String()
	return r, nil
}

// signedTree is what a checkpoint says.
type signedTree struct {
	where string
	tree  tlog.Tree
}

// tilesCheck goes through the leaves of a published log.
type tilesCheck struct {
	options TilesOptions
	report  *Report
	head    tlog.Tree
	edge    Frontier
	signed  map[int64][]signedTree // by size
	calls   map[string]*Chain
}

func (t *tilesCheck) expect(where string, tree tlog.Tree) {
	t.signed[tree.N] = append(t.signed[tree.N], signedTree{where, tree})
}

func (t *tilesCheck) leaves(ctx context.Context) error {
	if err := t.compare(); err != nil {
		return err
	}
	for t.edge.Size() < t.head.N {
		leaves, err := t.bundle(ctx)
		if err == nil {
			err = t.add(leaves)
		}
		if err != nil {
			return err
		}
	}
	for id, c := range t.calls {
		if c.Has(sallyport.EntryStart) && !c.Ended() {
			t.report.Unfinished = append(t.report.Unfinished, id)
		}
	}
	return nil
}

func (t *tilesCheck) add(leaves [][]byte) error {
	for _, leaf := range leaves {
		t.leaf(leaf)
		if _, _, err := t.edge.Add(tlog.RecordHash(leaf)); err != nil {
			return err
		}
		if err := t.compare(); err != nil {
			return err
		}
	}
	return nil
}

// bundle reads the next leaves. Where a partial bundle is not there any more, the
// full one is.
func (t *tilesCheck) bundle(ctx context.Context) ([][]byte, error) {
	n := t.edge.Size() / TileWidth
	want := min(t.head.N-n*TileWidth, TileWidth)
	var errs error
	for _, width := range []int64{want, TileWidth} {
		path := bundle(n, width).Path()
		b, err := t.options.Fetch(ctx, path)
		if err != nil {
			errs = errors.Join(errs, err)
			continue
		}
		leaves, err := leavesOf(b)
		if err == nil && int64(len(leaves)) < want {
			err = fmt.Errorf("it has %d leaves and should have %d", len(leaves), want)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return leaves[:want], nil
	}
	return nil, errs
}

// leaf checks a leaf's place within its call.
func (t *tilesCheck) leaf(b []byte) {
	where := fmt.Sprintf("leaf %d", t.edge.Size())
	l, err := ParseLeaf(b)
	if err != nil && !errors.Is(err, ErrNewer) {
		t.report.Find(where, "%v", err)
		return
	}
	c := t.calls[l.Call]
	if c == nil {
		c = &Chain{}
		t.calls[l.Call] = c
	}
	if err != nil {
		t.report.Newer++
		c.Skip()
		return
	}
	if err := c.Add(t.edge.Size(), l); err != nil {
		t.report.Find(where, "%v", err)
	}
	switch l.Kind { //nolint:exhaustive // the report counts no others
	case sallyport.EntryFreeze:
		t.report.Freezes++
	case sallyport.EntryErasure:
		t.report.Erased = append(t.report.Erased, l.Call)
	}
}

// compare compares the tree so far with the checkpoints of its size.
func (t *tilesCheck) compare() error {
	for _, s := range t.signed[t.edge.Size()] {
		root, err := t.edge.Root()
		if err != nil {
			return err
		}
		if root != s.tree.Hash {
			t.report.Find(s.where, "the first %d leaves are not those that it was signed for", s.tree.N)
		}
	}
	return nil
}
