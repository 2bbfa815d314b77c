package ledger

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sallyport/sallyport"
)

// refusedError refuses one entry and leaves its transaction as it was.
type refusedError struct{ err error }

func (e refusedError) Error() string { return e.err.Error() }

func (e refusedError) Unwrap() error { return e.err }

// tamperedError says that the stored log contradicts itself or what was
// signed. Nothing is added to such a log.
type tamperedError struct{ what string }

func (e tamperedError) Error() string { return e.what }

// transaction adds entries to the ledger as it stands within one SQL
// transaction.
type transaction struct {
	w           *writer
	edge        frontier
	checkpoints int64 // how many there are
}

// load reads the head. Where another process has moved it, the tree's edge is
// read again, and must have the head's hash.
func (t *transaction) load(ctx context.Context) error {
	var size int64
	var hash []byte
	if err := t.w.row(ctx, []any{&size, &hash, &t.checkpoints}, sqlHead); err != nil {
		return fmt.Errorf("the head can't be read: %w", err)
	}
	t.edge = t.w.edge.clone()
	if ok, err := hasRoot(t.edge, size, hash); ok || err != nil {
		return err
	}
	edge, err := loadFrontier(size, t.nodes(ctx))
	if err != nil {
		return fmt.Errorf("the tree of %d leaves can't be read: %w", size, err)
	}
	ok, err := hasRoot(edge, size, hash)
	if err == nil && !ok {
		err = tamperedError{what: fmt.Sprintf("the head's hash is not that of the tree of %d leaves", size)}
	}
	t.edge = edge
	return err
}

func hasRoot(f frontier, size int64, hash []byte) (bool, error) {
	if f.size != size {
		return false, nil
	}
	root, err := f.root()
	return err == nil && string(root[:]) == string(hash), err
}

// nodes reads stored hashes.
func (t *transaction) nodes(ctx context.Context) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			var h []byte
			err := t.w.row(ctx, []any{&h}, sqlNode, x)
			if errors.Is(err, sql.ErrNoRows) {
				return nil, tamperedError{what: fmt.Sprintf("node %d is missing", x)}
			}
			if err != nil {
				return nil, fmt.Errorf("node %d: %w", x, err)
			}
			copy(hashes[i][:], h)
		}
		return hashes, nil
	})
}

// append adds an entry, or finds that it is there.
func (t *transaction) append(ctx context.Context, e sallyport.Entry, content []byte) (sallyport.Receipt, error) {
	salt, fresh, err := t.salt(ctx, e.CallID)
	if err != nil {
		return sallyport.Receipt{}, err
	}
	key := (&sealer{salt: salt}).key(e.Key)
	stored, err := t.find(ctx, e, key)
	if err == nil || !errors.Is(err, sql.ErrNoRows) {
		return stored, err
	}
	record, err := t.record(ctx, e.CallID)
	if err != nil {
		return sallyport.Receipt{}, err
	}
	next, err := record.Apply(e)
	if err != nil {
		return sallyport.Receipt{}, refusedError{err}
	}
	leaf, err := leafOf(e, record.Entries, salt)
	if err != nil {
		return sallyport.Receipt{}, refusedError{err}
	}
	projected, err := columnsOf(next)
	if err != nil {
		return sallyport.Receipt{}, refusedError{err}
	}
	// From here on the entry is part of the transaction.
	r := sallyport.Receipt{Index: t.edge.size, Number: record.Entries, Leaf: leafDigest(leaf), Entry: e}
	if fresh {
		if err := t.w.exec(ctx, sqlAddSalt, e.CallID, salt); err != nil {
			return r, fmt.Errorf("the call's salt can't be stored: %w", err)
		}
	}
	if err := t.w.exec(ctx, sqlAddContent, r.Index, content); err != nil {
		return r, fmt.Errorf("the entry can't be stored: %w", err)
	}
	if err := t.w.exec(ctx, sqlAddLeaf, r.Index, e.CallID, r.Number, string(e.Kind), key, leaf); err != nil {
		return r, fmt.Errorf("the leaf can't be stored: %w", err)
	}
	if err := t.grow(ctx, leaf); err != nil {
		return r, err
	}
	return r, t.project(ctx, e.CallID, projected)
}

// find returns the stored entry of the same call, kind and key, or
// [sql.ErrNoRows].
func (t *transaction) find(ctx context.Context, e sallyport.Entry, key string) (sallyport.Receipt, error) {
	r := sallyport.Receipt{Repeated: true}
	var leaf, content []byte
	err := t.w.row(ctx, []any{&r.Index, &r.Number, &leaf, &content}, sqlStored, e.CallID, string(e.Kind), key)
	if err != nil {
		return r, err
	}
	r.Leaf = leafDigest(leaf)
	if content == nil {
		return r, refusedError{erased(e.CallID)}
	}
	r.Entry, err = decodeEntry(content)
	return r, err
}

// record is the call's record so far: the zero one for a new call.
func (t *transaction) record(ctx context.Context, callID string) (sallyport.Record, error) {
	var b []byte
	err := t.w.row(ctx, []any{&b}, sqlRecord, callID)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return sallyport.Record{}, nil
	case err != nil:
		return sallyport.Record{}, err
	case b == nil:
		return sallyport.Record{}, refusedError{erased(callID)}
	}
	return decodeRecord(b)
}

// salt is the call's, or a fresh one for a new call.
func (t *transaction) salt(ctx context.Context, callID string) (salt []byte, fresh bool, err error) {
	err = t.w.row(ctx, []any{&salt}, sqlSalt, callID)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		salt = make([]byte, saltSize)
		_, _ = rand.Read(salt) // it never fails
		return salt, true, nil
	case err != nil:
		return nil, false, fmt.Errorf("the call's salt can't be read: %w", err)
	case len(salt) != saltSize:
		return nil, false, refusedError{erased(callID)}
	}
	return salt, false, nil
}

// grow adds a leaf to the tree.
func (t *transaction) grow(ctx context.Context, leaf []byte) error {
	first, hashes, err := t.edge.add(tlog.RecordHash(leaf))
	if err != nil {
		return err
	}
	for i, h := range hashes {
		if err := t.w.exec(ctx, sqlAddNode, first+int64(i), h[:]); err != nil {
			return fmt.Errorf("a node can't be stored: %w", err)
		}
	}
	return nil
}

// project writes a call's row of the projection.
func (t *transaction) project(ctx context.Context, callID string, c columns) error {
	var err error
	if c.entries == 1 {
		err = t.w.exec(ctx, sqlAddCall, callID, c.state, c.final, c.agent, c.tool, c.namespace,
			c.arguments, c.receivedAt, c.updatedAt, c.entries, c.record)
	} else {
		err = t.w.exec(ctx, sqlSetCall, callID, c.state, c.final, c.namespace, c.updatedAt, c.entries, c.record)
	}
	if err != nil {
		return fmt.Errorf("the call's record can't be stored: %w", err)
	}
	return nil
}

func (t *transaction) setHead(ctx context.Context) error {
	root, err := t.edge.root()
	if err != nil {
		return err
	}
	return t.w.exec(ctx, sqlSetHead, t.edge.size, root[:])
}
