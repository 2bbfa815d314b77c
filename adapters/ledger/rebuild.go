package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
)

// rebuildBatch is how many statements are sent at once.
const rebuildBatch = 1000

// Rebuild makes the projection again from the leaves and the store, and returns
// the number of calls and freezes in it. It needs the permissions of the
// database's owner, and recorders wait until it ends. It does not change the
// log, nor verify it: call [Verify] first.
func Rebuild(ctx context.Context, d Database) (n int, err error) {
	if err := d.mustExist(); err != nil {
		return 0, err
	}
	db, err := d.open(ctx)
	if err != nil {
		return 0, notOpened(err)
	}
	w := newWriter(db, Options{Logger: slog.New(slog.DiscardHandler)})
	defer func() { err = errors.Join(err, w.close()) }()
	err = w.transaction(ctx, func(t *transaction) error {
		if err := t.conn.run(ctx, exec(sqlClearTerms), exec(sqlClearCalls), exec(sqlClearFreezes), exec(sqlClearCounters)); err != nil {
			return err
		}
		b := rebuilding{t: t}
		err := eachStep(ctx, db.reads(), func(s stored) error { return b.step(ctx, s) })
		if err == nil {
			err = b.finish(ctx)
		}
		t.write(sqlSetCounters)
		n = b.done
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("the projection stays as it was: %w", err)
	}
	return n, nil
}

// rebuilding folds one call after the other.
type rebuilding struct {
	t    *transaction
	call *folding
	done int
}

// folding is what a call's, or a freeze's, steps so far add up to.
type folding struct {
	id     string
	record sallyport.Record
	freeze sallyport.FreezeRecord
	sent   sent
	terms  []string
	shown  columns // what its leaves alone say, which is all there is of what was erased
	erased bool
}

func (b *rebuilding) step(ctx context.Context, s stored) error {
	if b.call == nil || b.call.id != s.callID {
		if err := b.finish(ctx); err != nil {
			return err
		}
		b.call = &folding{id: s.callID}
	}
	if err := b.call.add(s); err != nil {
		return fmt.Errorf("leaf %d: %w", s.index, err)
	}
	return nil
}

func (f *folding) add(s stored) error {
	l, err := proof.ParseLeaf(s.leaf)
	if err == nil {
		err = f.shown.show(l)
	}
	if err != nil {
		return err
	}
	if s.content == nil {
		f.erased = true
		return nil
	}
	e, err := proof.DecodeEntry(s.content)
	switch {
	case err != nil:
		return err
	case e.Kind == sallyport.EntryErasure:
	case e.Kind.OfFreeze():
		f.freeze, err = f.freeze.Apply(e)
	case !f.erased:
		if e.Kind == sallyport.EntryReceived {
			f.sent = sentIn(*e.Call, s.content)
		}
		f.record, err = f.record.Apply(e)
		f.terms = append(f.terms, e.Terms()...)
	}
	return err
}

// show adds what stays of a call's next leaf in the row of an erased call: whose
// call it was, when, and how it ended.
func (c *columns) show(l proof.Leaf) error {
	at, err := time.Parse(time.RFC3339Nano, l.Time)
	if err != nil {
		return fmt.Errorf("its time is not RFC 3339: %w", err)
	}
	c.updatedAt = nanos(at)
	c.entries++
	switch l.Kind { //nolint:exhaustive // the others say nothing of it
	case sallyport.EntryReceived:
		c.receivedAt, c.agent = c.updatedAt, sallyport.Searchable(l.Agent)
	case sallyport.EntryOutcome:
		c.state, c.final = l.State, 1
	}
	return nil
}

// finish writes what the steps of a call add up to.
func (b *rebuilding) finish(ctx context.Context) error {
	f := b.call
	if f != nil {
		b.call = nil
		b.done++
		if err := f.project(b.t); err != nil {
			return err
		}
	}
	if f != nil && len(b.t.writes) < rebuildBatch {
		return nil
	}
	writes := b.t.writes
	b.t.writes = nil
	return b.t.conn.run(ctx, writes...)
}

func (f *folding) project(t *transaction) error {
	if f.freeze.Entries > 0 {
		return f.projectFreeze(t)
	}
	c := f.shown
	switch {
	case f.erased && c.final == 0:
		return fmt.Errorf("the contents of call %s are gone, and it has not ended", f.id)
	case !f.erased:
		var err error
		if c, err = columnsOf(f.record.Summary(), f.sent); err != nil {
			return err
		}
		for _, term := range f.terms {
			t.write(sqlAddTerm, term, c.receivedAt, f.id)
		}
	}
	t.writes = append(t.writes, addCall(f.id, c))
	return nil
}

// projectFreeze writes a freeze's row as it came to be.
func (f *folding) projectFreeze(t *transaction) error {
	began := f.freeze
	began.Lift = nil
	records := []sallyport.FreezeRecord{began}
	if f.freeze.Lift != nil {
		records = append(records, f.freeze)
	}
	for _, r := range records {
		s, err := projectFreeze(r)
		if err != nil {
			return err
		}
		t.writes = append(t.writes, s)
	}
	return nil
}
