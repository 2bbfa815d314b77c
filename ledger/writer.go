package ledger

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport/sallyport"
)

const (
	// maxBatch bounds how many entries share a transaction.
	maxBatch = 128
	// signDelay is how long leaves wait for a checkpoint, so that many of
	// them share one.
	signDelay = 100 * time.Millisecond
)

// request is an entry to be written or a follower to be moved, or, without
// either, the question whether anything could be.
type request struct {
	ctx     context.Context // of whoever waits
	entry   *sallyport.Entry
	content []byte // the entry's JSON
	move    *move
	reply   chan reply
}

type reply struct {
	receipt sallyport.Receipt
	err     error
}

// writer is the one goroutine of this process that writes to the database.
// What is asked for while a transaction is committed shares the next one.
type writer struct {
	log       *slog.Logger
	db        *sql.DB
	signer    note.Signer
	requests  chan *request
	stopped   chan struct{}
	committed func(base, size int64, calls []string)

	conn     *sql.Conn
	prepared map[string]*sql.Stmt
	edge     frontier // as of the last transaction; read again when the head is another
	unsigned bool     // there may be leaves that no checkpoint covers
	tampered atomic.Pointer[sallyport.Error]
}

func newWriter(ctx context.Context, db *sql.DB, o Options) (*writer, error) {
	w := &writer{
		log: o.Logger, db: db, signer: o.Signer,
		requests:  make(chan *request, maxBatch),
		stopped:   make(chan struct{}),
		committed: func(int64, int64, []string) {},
		edge:      newFrontier(),
	}
	if err := w.sign(ctx); err != nil {
		return nil, errors.Join(err, w.drop())
	}
	return w, nil
}

// run writes until closing is closed, and then what was asked for before.
func (w *writer) run(ctx context.Context, closing <-chan struct{}) {
	defer close(w.stopped)
	var due <-chan time.Time
	for {
		select {
		case r := <-w.requests:
			w.writeAll(ctx, w.gather(r))
		case <-due:
			due = nil
			w.trySign(ctx)
		case <-closing:
			for len(w.requests) > 0 {
				w.writeAll(ctx, w.gather(<-w.requests))
			}
			w.trySign(ctx)
			return
		}
		if w.unsigned && due == nil {
			due = time.After(signDelay)
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

// writeAll writes a batch in one transaction and answers it. Where that
// fails, each request gets a transaction of its own, so that one of them
// can't fail the others.
func (w *writer) writeAll(ctx context.Context, batch []*request) {
	err := w.writeBatch(ctx, batch)
	if err == nil {
		return
	}
	if len(batch) > 1 && w.tampered.Load() == nil {
		for _, r := range batch {
			w.writeAll(ctx, []*request{r})
		}
		return
	}
	w.log.LogAttrs(ctx, slog.LevelError, "ledger not written", slog.Int("entries", len(batch)), slog.Any("error", err))
	for _, r := range batch {
		r.reply <- reply{err: unavailable(err, "the ledger can't be written to; nothing was recorded")}
	}
}

func (w *writer) writeBatch(ctx context.Context, batch []*request) error {
	if t := w.tampered.Load(); t != nil {
		return t
	}
	replies := make([]reply, len(batch))
	var calls []string
	var base, size int64
	err := w.transaction(ctx, func(t *transaction) error {
		base = t.edge.size
		for i, r := range batch {
			if err := w.step(ctx, t, r, &replies[i]); err != nil {
				return err
			}
			if r.entry != nil && replies[i].err == nil && !replies[i].receipt.Repeated {
				calls = append(calls, r.entry.CallID)
			}
		}
		if size = t.edge.size; size == base {
			return nil
		}
		return t.setHead(ctx)
	})
	if err != nil {
		return err
	}
	w.unsigned = w.unsigned || size > base
	for i, r := range batch {
		r.reply <- replies[i]
	}
	w.committed(base, size, calls)
	return nil
}

// step takes one request of a batch. An error fails the transaction; what
// concerns the request alone goes into its reply.
func (w *writer) step(ctx context.Context, t *transaction, r *request, answer *reply) error {
	if err := r.ctx.Err(); err != nil {
		answer.err = unavailable(err, "the ledger was not asked: %v", err)
		return nil
	}
	if r.move != nil {
		return w.exec(ctx, sqlAdvance, r.move.follower, r.move.to)
	}
	if r.entry == nil {
		return w.probe(ctx)
	}
	receipt, err := t.append(ctx, *r.entry, r.content)
	if refusal, ok := errors.AsType[refusedError](err); ok {
		answer.err = refusal.err
		return nil
	}
	answer.receipt = receipt
	return err
}

// probe writes a page and leaves it as it was. There and back, because SQLite
// does not write what an update leaves unchanged.
func (w *writer) probe(ctx context.Context) error {
	if err := w.exec(ctx, sqlMoveHead, 1); err != nil {
		return err
	}
	return w.exec(ctx, sqlMoveHead, -1)
}

// transaction runs f between BEGIN IMMEDIATE and COMMIT. Without an error,
// what f did is durable. After one, the connection is thrown away, because
// nobody knows what is left open on it.
func (w *writer) transaction(ctx context.Context, f func(*transaction) error) error {
	err := w.begin(ctx)
	if err == nil {
		t := &transaction{w: w}
		if err = t.load(ctx); err == nil {
			err = f(t)
		}
		if err == nil {
			err = w.exec(ctx, sqlCommit)
		}
		if err == nil {
			w.edge = t.edge
			return nil
		}
	}
	if e, ok := errors.AsType[tamperedError](err); ok {
		w.tampered.Store(sallyport.Errorf(sallyport.Internal, "ledger_tampered", "the ledger is no longer what was signed: %w", e))
	}
	return errors.Join(err, w.drop())
}

func (w *writer) begin(ctx context.Context) error {
	if w.conn == nil {
		conn, err := w.db.Conn(ctx)
		if err != nil {
			return err
		}
		w.conn, w.prepared = conn, map[string]*sql.Stmt{}
	}
	return w.exec(ctx, sqlBegin)
}

func (w *writer) statement(ctx context.Context, text string) (*sql.Stmt, error) {
	if s, ok := w.prepared[text]; ok {
		return s, nil
	}
	s, err := w.conn.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	w.prepared[text] = s
	return s, nil
}

func (w *writer) exec(ctx context.Context, text string, args ...any) error {
	s, err := w.statement(ctx, text)
	if err != nil {
		return err
	}
	_, err = s.ExecContext(ctx, args...)
	return err
}

// row scans the one row of a query. It returns [sql.ErrNoRows] where there is
// none.
func (w *writer) row(ctx context.Context, into []any, text string, args ...any) error {
	s, err := w.statement(ctx, text)
	if err != nil {
		return err
	}
	return s.QueryRowContext(ctx, args...).Scan(into...)
}

// drop throws the connection away.
func (w *writer) drop() error {
	if w.conn == nil {
		return nil
	}
	var errs []error
	for _, s := range w.prepared {
		errs = append(errs, s.Close())
	}
	errs = append(errs, discard(w.conn))
	w.conn, w.prepared = nil, nil
	return errors.Join(errs...)
}

func (w *writer) close() error { return errors.Join(w.drop(), w.db.Close()) }
