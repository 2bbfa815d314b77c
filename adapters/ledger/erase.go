package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
)

// Eraser erases the contents of calls from a ledger: arguments, plans, results,
// votes and their evidence. The leaves stay, and with them the log and every
// proof of it. It has no key: a gateway that has the ledger open signs the leaf
// that says so. Not safe for concurrent use; several processes may erase at once.
//
// In SQLite it erases itself: a process that can write to the file can do
// anything to it. In PostgreSQL it asks: its role may add a request and nothing
// else, and a gateway that has the ledger open erases.
type Eraser struct {
	archive *Archive
	db      database
	write   *writer
}

// OpenEraser opens an existing ledger. The context bounds the opening alone.
func OpenEraser(ctx context.Context, d Database) (*Eraser, error) {
	if err := d.mustExist(); err != nil {
		return nil, err
	}
	db, err := d.open(ctx)
	if err != nil {
		return nil, notOpened(err)
	}
	w := newWriter(db, Options{Logger: slog.New(slog.DiscardHandler)})
	return &Eraser{&Archive{db: db.reads()}, db, w}, nil
}

// Close closes the database.
func (r *Eraser) Close() error { return r.write.close() }

// Erase erases a call's contents, and appends a leaf that names the person who
// ordered it, and the reason. It fails with an error of kind
// [sallyport.NotFound] for an unknown or erased call, and with one of kind
// [sallyport.Conflict] for one that has not ended. Where it asks a gateway, the
// leaf names the role that asked, and Erase waits until the gateway has erased or
// ctx ends; the request stays.
func (r *Eraser) Erase(ctx context.Context, callID string, e sallyport.Erasure, at time.Time) (sallyport.Receipt, error) {
	entry, content, err := proof.Normalise(sallyport.Entry{CallID: callID, Kind: sallyport.EntryErasure, At: at, Erasure: &e})
	if err != nil {
		return sallyport.Receipt{}, err
	}
	if r.Asks() {
		if err := r.Request(ctx, callID, e.Reason); err != nil {
			return sallyport.Receipt{}, err
		}
		return r.await(ctx, callID)
	}
	var receipt sallyport.Receipt
	err = r.write.transaction(ctx, func(t *transaction) error {
		if err := t.learnCalls(ctx, []sallyport.Entry{entry}); err != nil {
			return err
		}
		if err := t.learnShown(ctx, []sallyport.Entry{entry}); err != nil {
			return err
		}
		if receipt, err = t.append(entry, content); err != nil {
			return err
		}
		return t.setHead()
	})
	if refused, ok := errors.AsType[rejectedError](err); ok {
		return sallyport.Receipt{}, refused.err
	}
	if err != nil {
		return sallyport.Receipt{}, unavailable(err, "the contents of call %s can't be erased", callID)
	}
	return receipt, nil
}

// erase erases a call's contents, and replaces its salt, so that commitments
// under the old salt can't be tested by guessing any more.
func (t *transaction) erase(e sallyport.Entry, content []byte) (sallyport.Receipt, error) {
	k := t.calls[e.CallID]
	if k.fresh || k.freeze.Entries > 0 {
		return sallyport.Receipt{}, rejectedError{noSuchCall(e.CallID)}
	}
	next, err := k.record.Apply(e)
	if err != nil {
		return sallyport.Receipt{}, rejectedError{err}
	}
	k.salt = make([]byte, proof.SaltSize)
	_, _ = rand.Read(k.salt) // it never fails
	leaf, err := proof.LeafOf(e, k.record.Entries, k.salt)
	if err != nil {
		return sallyport.Receipt{}, rejectedError{err}
	}
	k.erased = true
	r := sallyport.Receipt{Index: t.edge.Size(), Number: k.record.Entries, Leaf: proof.LeafDigest(leaf), Entry: e}
	t.addLeaf(r, "", content, leaf)
	t.writes = append(t.writes, t.db.erase(e.CallID, k.salt)...)
	c := k.shown
	c.state = string(k.record.State)
	t.writes = append(t.writes, recount(searched(k.record.Record, k.sent), c)...)
	t.write(sqlEraseCall, e.CallID, c.agent, c.receivedAt, nanos(next.UpdatedAt), next.Entries)
	return r, t.grow(leaf)
}

// learnShown reads of calls that are to be erased what stays in their rows.
func (t *transaction) learnShown(ctx context.Context, entries []sallyport.Entry) error {
	for _, e := range entries {
		if k := t.calls[e.CallID]; e.Kind == sallyport.EntryErasure && k.record.Entries > 0 {
			if err := t.readShown(ctx, e.CallID, &k.shown); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *transaction) readShown(ctx context.Context, callID string, into *columns) error {
	var received []byte
	if err := t.conn.run(ctx, query([]any{&received}, sqlLeafOfKind, callID, string(sallyport.EntryReceived))); err != nil {
		return fmt.Errorf("the leaves of a call can't be read: %w", err)
	}
	l, err := proof.ParseLeaf(received)
	if err == nil {
		err = into.show(l)
	}
	if err != nil {
		return tamperedError{what: fmt.Sprintf("a leaf of call %s: %v", callID, err)}
	}
	return nil
}

// Expired lists the calls that ended before a time and whose contents are there.
func (r *Eraser) Expired(ctx context.Context, before time.Time) ([]string, error) {
	ids, err := column(ctx, r.archive.db, sqlExpired, nanos(before))
	if err != nil {
		return nil, unreadable(err)
	}
	return ids, nil
}

// Purge removes copies of erased contents that the database itself keeps. Rest
// describes the copies that it can't remove.
func (r *Eraser) Purge(ctx context.Context) (rest string, err error) {
	if err = r.write.drop(); err == nil {
		rest, err = r.db.purge(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("what was erased may still be in the database's files: %w", err)
	}
	return rest, nil
}
