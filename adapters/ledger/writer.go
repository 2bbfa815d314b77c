package ledger

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
)

// maxBatch bounds how many entries share a transaction.
const maxBatch = 128

// request is an entry to be written, a follower to be moved, a checkpoint to be
// stored or the request of an erasure to be removed, or, without any of these,
// the question whether anything could be.
type request struct {
	ctx        context.Context // of the waiting caller
	entry      *sallyport.Entry
	content    []byte // the entry's JSON
	move       *move
	checkpoint *checkpoint
	refused    string // id of the call whose erasure was asked for in vain
	response   chan response
}

type response struct {
	receipt sallyport.Receipt
	err     error
}

// writer is the one goroutine of this process that writes to the database.
// What is asked for while a transaction is committed shares the next one.
type writer struct {
	log       *slog.Logger
	db        database
	requests  chan *request
	stopped   chan struct{}
	limits    func(agent string) sallyport.Limits
	places    int // for calls at work
	committed func(base, size int64, calls []string)

	conn     connection
	edge     proof.Frontier // as of the last transaction; read again when the head is another
	failed   bool           // the last entries could not be written
	tampered atomic.Pointer[sallyport.Error]
}

func newWriter(db database, o Options) *writer {
	return &writer{
		log: o.Logger, db: db, limits: o.Limits, places: o.AtWork,
		requests:  make(chan *request, maxBatch),
		stopped:   make(chan struct{}),
		committed: func(int64, int64, []string) {},
		edge:      proof.NewFrontier(),
	}
}

// run writes until closing is closed, and then what was asked for before.
func (w *writer) run(ctx context.Context, closing <-chan struct{}) {
	defer close(w.stopped)
	for {
		select {
		case r := <-w.requests:
			w.writeAll(ctx, w.gather(r))
		case <-closing:
			for len(w.requests) > 0 {
				w.writeAll(ctx, w.gather(<-w.requests))
			}
			return
		}
	}
}

// gather makes a batch of what is waiting.
func (w *writer) gather(first *request) []*request {
	batch := []*request{first}
	for len(batch) < maxBatch {
		select {
		case r := <-w.requests:
			batch = append(batch, r)
		default:
			return batch
		}
	}
	return batch
}

// writeAll writes a batch in one transaction and responds to its requests.
// Where that fails, each request gets a transaction of its own, so that one of
// them can't fail the others.
func (w *writer) writeAll(ctx context.Context, batch []*request) {
	alone := len(batch) > 1 && slices.ContainsFunc(batch, freezing)
	var err error
	if !alone {
		if err = w.writeBatch(ctx, batch); err == nil {
			return
		}
		alone = len(batch) > 1 && w.tampered.Load() == nil
	}
	if alone {
		for _, r := range batch {
			w.writeAll(ctx, []*request{r})
		}
		return
	}
	w.failed = w.failed || len(entriesOf(batch)) > 0
	w.log.LogAttrs(ctx, slog.LevelError, "ledger not written", slog.Int("entries", len(batch)), slog.Any("error", err))
	for _, r := range batch {
		r.response <- response{err: unavailable(err, "the ledger can't be written to; nothing was recorded")}
	}
}

func (w *writer) writeBatch(ctx context.Context, batch []*request) error {
	if t := w.tampered.Load(); t != nil {
		return t
	}
	responses := make([]response, len(batch))
	var base, size int64
	err := w.transaction(ctx, func(t *transaction) error {
		base = t.edge.Size()
		err := w.steps(ctx, t, batch, responses)
		if size = t.edge.Size(); err != nil || size == base {
			return err
		}
		return t.setHead()
	})
	if err != nil {
		return err
	}
	if size > base || slices.ContainsFunc(batch, probing) {
		w.failed = false // there was room
	}
	var calls []string
	for i, r := range batch {
		if r.entry != nil && responses[i].err == nil && !responses[i].receipt.Repeated {
			calls = append(calls, r.entry.CallID)
		}
		r.response <- responses[i]
	}
	w.committed(base, size, calls)
	return nil
}

// freezing reports whether a request is of a freeze. It gets a transaction of its
// own: what a transaction knows of freezes does not change within it.
func freezing(r *request) bool { return r.entry != nil && r.entry.Kind.OfFreeze() }

// entriesOf are a batch's entries.
func entriesOf(batch []*request) []sallyport.Entry {
	var entries []sallyport.Entry
	for _, r := range batch {
		if r.entry != nil {
			entries = append(entries, *r.entry)
		}
	}
	return entries
}

// probing reports whether a request asks only whether the ledger can be written.
func probing(r *request) bool {
	return r.entry == nil && r.move == nil && r.checkpoint == nil && r.refused == ""
}

// steps handles the requests of a batch.
func (w *writer) steps(ctx context.Context, t *transaction, batch []*request, responses []response) error {
	if err := t.learn(ctx, entriesOf(batch), w.limits); err != nil {
		return err
	}
	for i, r := range batch {
		if err := w.step(ctx, t, r, &responses[i]); err != nil {
			return err
		}
	}
	return nil
}

// step handles one request of a batch. An error fails the transaction; one that
// concerns the request alone goes into its response.
func (w *writer) step(ctx context.Context, t *transaction, r *request, resp *response) error {
	if err := r.ctx.Err(); err != nil {
		resp.err = unavailable(err, "the ledger was not asked: %v", err)
		return nil
	}
	switch {
	case r.move != nil:
		t.write(sqlAdvance, r.move.follower, r.move.to)
		return nil
	case r.checkpoint != nil:
		t.addCheckpoint(*r.checkpoint)
		return nil
	case r.refused != "":
		t.write(sqlDropErasure, r.refused)
		return nil
	case probing(r):
		probe, err := w.db.probe(w.failed)
		if err != nil {
			return err
		}
		return t.conn.run(ctx, probe...)
	}
	receipt, err := t.append(*r.entry, r.content)
	if rejected, ok := errors.AsType[rejectedError](err); ok {
		resp.err = rejected.err
		return nil
	}
	resp.receipt = receipt
	return err
}

// transaction runs f within a transaction of the database. Without an error,
// the writes of f are durable. After one, the connection is closed, because a
// transaction may still be open on it.
func (w *writer) transaction(ctx context.Context, f func(*transaction) error) error {
	t, err := w.begin(ctx)
	if err == nil {
		err = f(t)
	}
	if err == nil {
		err = t.conn.commit(ctx, t.writes...)
	}
	if err == nil {
		w.edge = t.edge
		return nil
	}
	w.suspect(err)
	return errors.Join(err, w.drop())
}

func (w *writer) begin(ctx context.Context) (*transaction, error) {
	if w.conn == nil {
		conn, err := w.db.connect(ctx)
		if err != nil {
			return nil, err
		}
		w.conn = conn
	}
	t := &transaction{conn: w.conn, db: w.db, places: w.places}
	if err := t.conn.begin(ctx); err != nil {
		return nil, err
	}
	return t, t.load(ctx, w.edge)
}

// suspect stops all writing where an error says that the log was tampered with.
func (w *writer) suspect(err error) {
	if e, ok := errors.AsType[tamperedError](err); ok {
		w.tampered.Store(sallyport.Errorf(sallyport.Internal, sallyport.CodeLedgerTampered, "the ledger is no longer what was signed: %w", e))
	}
}

// drop closes the connection.
func (w *writer) drop() error {
	if w.conn == nil {
		return nil
	}
	err := w.conn.close()
	w.conn = nil
	return err
}

func (w *writer) close() error { return errors.Join(w.drop(), w.db.close()) }
