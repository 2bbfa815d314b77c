package ledger

import (
	"context"
	"crypto/rand"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
)

// rejectedError rejects one entry and leaves its transaction as it was.
type rejectedError struct{ err error }

func (e rejectedError) Error() string { return e.err.Error() }

func (e rejectedError) Unwrap() error { return e.err }

// tamperedError says that the stored log contradicts itself or what was
// signed. Nothing is added to such a log.
type tamperedError struct{ what string }

func (e tamperedError) Error() string { return e.what }

// transaction adds entries to the ledger as it stands within one SQL
// transaction. It reads what it needs at once, and what it writes is sent with
// the commit.
type transaction struct {
	conn        connection
	db          database
	edge        proof.Frontier
	checkpoints int64 // how many there are
	calls       map[string]*known
	agents      map[string]*usage
	places      int                         // for calls at work, of all agents; 0 is no limit
	taken       int                         // of these
	same        map[sallyport.Digest]string // ids of the calls that new ones repeat
	writes      []*statement
}

// known is what the ledger holds of a call or of a freeze, with what this
// transaction adds.
type known struct {
	salt   []byte
	fresh  bool // nothing is stored yet
	erased bool
	record sallyport.Summary      // of a call
	sent   sent                   // by the call
	freeze sallyport.FreezeRecord // or of a freeze
	shown  columns                // that are left after an erasure
	frozen *sallyport.Freeze      // that stops the call
	stored map[slot]sallyport.Receipt
}

// slot is where there is at most one entry of a call.
type slot struct {
	kind sallyport.EntryKind
	key  string // as in the leaf
}

// load reads the head. Where another process has moved it, the tree's edge is
// read again, and must have the head's hash.
func (t *transaction) load(ctx context.Context, edge proof.Frontier) error {
	var size int64
	var hash []byte
	head := query([]any{&size, &hash, &t.checkpoints}, sqlHead)
	if err := t.conn.run(ctx, head); err != nil || head.none {
		return fmt.Errorf("the head can't be read: %w", err)
	}
	var err error
	t.edge, err = followEdge(edge, size, hash, nodesOf(ctx, t.conn))
	return err
}

// learn reads all that deciding about some entries takes: what the ledger holds
// of their calls and of the entries themselves, freezes, and their agents' usage.
func (t *transaction) learn(ctx context.Context, entries []sallyport.Entry, limits func(agent string) sallyport.Limits) error {
	if err := t.learnCalls(ctx, entries); err != nil {
		return err
	}
	if err := t.learnStored(ctx, entries); err != nil {
		return err
	}
	if err := t.learnShown(ctx, entries); err != nil {
		return err
	}
	if err := t.learnFreezes(ctx, entries); err != nil {
		return err
	}
	if err := t.learnSame(ctx, entries); err != nil {
		return err
	}
	return t.learnAgents(ctx, entries, limits)
}

// learnStored reads the entries that are recorded already.
func (t *transaction) learnStored(ctx context.Context, entries []sallyport.Entry) error {
	var reads []*statement
	var finds []*storedEntry
	for _, e := range entries {
		k := t.calls[e.CallID]
		if k.fresh || k.erased {
			continue
		}
		f := &storedEntry{call: k, slot: k.slot(e)}
		finds = append(finds, f)
		reads = append(reads, query([]any{&f.receipt.Index, &f.receipt.Number, &f.leaf, &f.content, &f.receiptOf}, sqlStored, e.CallID, string(e.Kind), f.slot.key))
	}
	if err := t.conn.run(ctx, reads...); err != nil {
		return fmt.Errorf("what was recorded can't be read: %w", err)
	}
	for i, f := range finds {
		if reads[i].none {
			continue
		}
		if err := f.keep(); err != nil {
			return err
		}
	}
	return nil
}

// learnCalls reads the salts and the records of calls.
func (t *transaction) learnCalls(ctx context.Context, entries []sallyport.Entry) error {
	t.calls = map[string]*known{}
	var reads []*statement
	var calls []*known
	records, freezes := make([][]byte, len(entries)), make([][]byte, len(entries))
	for i, e := range entries {
		if t.calls[e.CallID] != nil {
			continue
		}
		k := &known{stored: map[slot]sallyport.Receipt{}}
		t.calls[e.CallID] = k
		calls = append(calls, k)
		reads = append(reads, query([]any{&k.salt, &records[i], &k.sent.arguments, &k.sent.bytes, &freezes[i]}, sqlKnown, e.CallID))
	}
	if err := t.conn.run(ctx, reads...); err != nil {
		return fmt.Errorf("what is known of calls can't be read: %w", err)
	}
	for i, k := range calls {
		record, _ := reads[i].into[1].(*[]byte)
		freeze, _ := reads[i].into[4].(*[]byte)
		if err := k.fill(reads[i].none, *record, *freeze); err != nil {
			return err
		}
	}
	return nil
}

// fill reads the row of a call or of a freeze.
func (k *known) fill(none bool, record, freeze []byte) (err error) {
	switch {
	case none:
		k.fresh, k.salt = true, make([]byte, proof.SaltSize)
		_, _ = rand.Read(k.salt) // it never fails
	case freeze != nil:
		k.freeze, err = decodeFreeze(freeze)
	case len(k.salt) != proof.SaltSize || record == nil:
		k.erased = true
	default:
		k.record, err = decodeSummary(record)
	}
	return err
}

// slot is where an entry goes.
func (k *known) slot(e sallyport.Entry) slot {
	return slot{e.Kind, proof.SealKey(e.Key, k.salt)}
}

// storedEntry is an entry that the ledger holds already.
type storedEntry struct {
	call      *known
	slot      slot
	receipt   sallyport.Receipt
	leaf      []byte
	content   []byte
	receiptOf []byte
}

func (f *storedEntry) keep() (err error) {
	if f.content == nil {
		f.call.erased = true
		return nil
	}
	f.receipt.Leaf = proof.LeafDigest(f.leaf)
	f.receipt.Entry, err = proof.DecodeEntry(unpack(f.content, f.receiptOf))
	f.call.stored[f.slot] = f.receipt
	return err
}

// append adds an entry. The receipt of one that is stored already says Repeated.
func (t *transaction) append(e sallyport.Entry, content []byte) (sallyport.Receipt, error) {
	k := t.calls[e.CallID]
	if k.erased {
		return sallyport.Receipt{}, rejectedError{erased(e.CallID)}
	}
	if e.Kind == sallyport.EntryErasure {
		return t.erase(e, content)
	}
	at := k.slot(e)
	if stored, ok := k.stored[at]; ok {
		stored.Repeated = true
		return stored, nil
	}
	if err := t.admit(k, e, content); err != nil {
		return sallyport.Receipt{}, rejectedError{err}
	}
	number := k.record.Entries + k.freeze.Entries
	projection, err := k.apply(e, content)
	if err != nil {
		return sallyport.Receipt{}, rejectedError{err}
	}
	leaf, err := proof.LeafOf(e, number, k.salt)
	if err != nil {
		return sallyport.Receipt{}, rejectedError{err}
	}
	// From here on the entry is part of the transaction.
	r := sallyport.Receipt{Index: t.edge.Size(), Number: number, Leaf: proof.LeafDigest(leaf), Entry: e}
	if k.fresh {
		t.write(sqlAddSalt, e.CallID, k.salt)
	}
	t.addLeaf(r, at.key, k.pack(e, content), leaf)
	t.writes = append(t.writes, projection...)
	for _, term := range e.Terms() {
		t.write(sqlAddTerm, term, nanos(k.record.Call.ReceivedAt), e.CallID)
	}
	k.fresh, k.stored[at] = false, r
	if e.Kind == sallyport.EntryReceived && e.Call.Same != "" {
		t.same[e.Call.Same] = e.CallID
	}
	t.count(e, content)
	return r, t.grow(leaf)
}

// addLeaf stores an entry, whose contents may be packed, and its leaf.
func (t *transaction) addLeaf(r sallyport.Receipt, key string, content, leaf []byte) {
	t.write(sqlAddContent, r.Index, content)
	t.write(sqlAddLeaf, r.Index, r.Entry.CallID, r.Number, string(r.Entry.Kind), key, leaf)
}

// apply adds an entry to what is known of its call or freeze, and returns the
// statements that update the projection. On an error it changes nothing.
func (k *known) apply(e sallyport.Entry, content []byte) ([]*statement, error) {
	if e.Kind.OfFreeze() && k.record.Entries == 0 {
		next, err := k.freeze.Apply(e)
		if err != nil {
			return nil, err
		}
		k.freeze = next
		s, err := projectFreeze(next)
		return []*statement{s}, err
	}
	if k.freeze.Entries > 0 {
		return nil, sallyport.Errorf(sallyport.Conflict, sallyport.CodeNotReceived, "%s is a freeze, and no call", e.CallID)
	}
	next, err := k.record.Apply(e)
	if err != nil {
		return nil, err
	}
	by, before := k.sent, columns{}
	if k.record.Entries == 0 {
		by = sentIn(*e.Call, content)
	} else {
		before = searched(k.record.Record, by)
	}
	c, err := columnsOf(next, by)
	if err != nil {
		return nil, err
	}
	k.record, k.sent = next, by
	return append(recount(before, c), project(e.CallID, c)), nil
}

// write adds a statement that is run with the commit.
func (t *transaction) write(text string, args ...any) {
	t.writes = append(t.writes, exec(text, args...))
}

// grow adds a leaf to the tree.
func (t *transaction) grow(leaf []byte) error {
	first, hashes, err := t.edge.Add(tlog.RecordHash(leaf))
	if err != nil {
		return err
	}
	for i, h := range hashes {
		t.write(sqlAddNode, first+int64(i), h[:])
	}
	return nil
}

func (t *transaction) setHead() error {
	root, err := t.edge.Root()
	if err != nil {
		return err
	}
	t.write(sqlSetHead, t.edge.Size(), root[:])
	return nil
}
