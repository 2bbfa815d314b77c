package ledger

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"

	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
)

// Options say which ledger to open, and how.
type Options struct {
	Database Database        // a SQLite file is made where there is none
	Signer   Signer          // of checkpoints
	OldKeys  []note.Verifier // that the signer's has replaced
	Logger   *slog.Logger    // nil logs nothing

	// Limits of an agent; nil limits nobody.
	Limits func(agent string) sallyport.Limits
}

// Ledger is an open ledger. It implements [sallyport.Recorder] and
// [sallyport.Reader]. Several processes may have the same one open.
type Ledger struct {
	*Archive

	log    *slog.Logger
	write  *writer
	notary *notary
	growth chan struct{} // has a value when this process has appended
	watch  *watch

	closing   chan struct{}
	closeOnce sync.Once
	closeErr  error
	running   sync.WaitGroup
}

var (
	_ sallyport.Recorder = (*Ledger)(nil)
	_ sallyport.Reader   = (*Ledger)(nil)
	_ sallyport.Freezes  = (*Archive)(nil)
)

// Open opens a ledger, or makes an empty one. It refuses, with an error of
// kind [sallyport.Internal], one whose log is no longer what was signed. The
// context bounds the opening alone.
func Open(ctx context.Context, o Options) (*Ledger, error) {
	if o.Signer == nil {
		return nil, errors.New("a ledger needs a signer for its checkpoints")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Limits == nil {
		o.Limits = func(string) sallyport.Limits { return sallyport.Limits{} }
	}
	db, err := o.Database.open(ctx)
	if err != nil {
		return nil, notOpened(err)
	}
	l := &Ledger{
		Archive: &Archive{db: db.reads()}, log: o.Logger, write: newWriter(db, o), growth: make(chan struct{}, 1),
		watch: newWatch(), closing: make(chan struct{}),
	}
	l.notary = &notary{
		db: db.reads(), signer: o.Signer, trusted: note.VerifierList(append(slices.Clone(o.OldKeys), o.Signer.Verifier())...), store: l.storeNow,
	}
	if err := l.checkSigned(ctx); err != nil {
		return nil, errors.Join(err, l.write.close())
	}
	l.notary.store = l.storeAmong
	l.write.committed = func(base, size int64, calls []string) {
		l.watch.committed(base, size, calls)
		if size > base {
			raise(l.growth)
		}
	}
	background := context.WithoutCancel(ctx)
	l.running.Go(func() { l.write.run(background, l.closing) })
	l.running.Go(func() { l.signSoon(background) })
	l.running.Go(func() { l.poll(background) })
	return l, nil
}

// checkSigned signs what nobody has signed yet, which shows whether the log is
// what was signed.
func (l *Ledger) checkSigned(ctx context.Context) error {
	err := l.write.transaction(ctx, func(*transaction) error { return nil }) // the tree's edge is the head's
	if err == nil {
		err = l.notary.sign(ctx)
	}
	if err == nil {
		return nil
	}
	l.write.suspect(err)
	if t := l.write.tampered.Load(); t != nil {
		return errors.Join(t, err)
	}
	return unavailable(err, "the ledger's checkpoint can't be signed: %v", err)
}

// Close writes what was asked for so far, signs the head, and closes the
// database. After it, nothing is recorded any more.
func (l *Ledger) Close() error {
	l.closeOnce.Do(func() {
		close(l.closing)
		l.running.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
		defer cancel()
		l.notary.store = l.storeNow
		if err := l.notary.sign(ctx); err != nil { // whoever opens it next does it
			l.log.LogAttrs(ctx, slog.LevelError, "ledger checkpoint not signed", slog.Any("error", err))
		}
		l.closeErr = l.write.close()
	})
	return l.closeErr
}

// Ping reports, with an error of kind [sallyport.Unavailable], a ledger that
// can't be written to, or whose log is no longer what was signed.
func (l *Ledger) Ping(ctx context.Context) error {
	_, err := l.submit(ctx, &request{ctx: ctx})
	return err
}

// Record implements [sallyport.Recorder]. An entry that is no entry, or whose
// leaf would be too large, is refused with an error of kind
// [sallyport.Invalid].
func (l *Ledger) Record(ctx context.Context, e sallyport.Entry) (sallyport.Receipt, error) {
	settled, content, err := proof.Normalise(e)
	if err != nil {
		return sallyport.Receipt{}, err
	}
	return l.submit(ctx, &request{ctx: ctx, entry: &settled, content: content})
}

// submit gives a request to the writer and waits for its reply. A context
// that ends first leaves open whether the entry was written.
func (l *Ledger) submit(ctx context.Context, r *request) (sallyport.Receipt, error) {
	r.reply = make(chan reply, 1)
	if err := ctx.Err(); err != nil {
		return sallyport.Receipt{}, unavailable(err, "the ledger was not asked: %v", err)
	}
	select {
	case l.write.requests <- r:
	case <-l.closing:
		return sallyport.Receipt{}, errClosed()
	case <-ctx.Done():
		return sallyport.Receipt{}, unavailable(ctx.Err(), "the ledger did not answer in time")
	}
	select {
	case reply := <-r.reply:
		return reply.receipt, reply.err
	case <-ctx.Done():
		return sallyport.Receipt{}, unavailable(ctx.Err(), "the ledger did not answer in time")
	case <-l.write.stopped:
	}
	select {
	case reply := <-r.reply: // the writer's last
		return reply.receipt, reply.err
	default:
		return sallyport.Receipt{}, errClosed()
	}
}

func errClosed() error { return unavailable(nil, "the ledger is closed") }

// unavailable is an error that says nothing was recorded. The cause is for
// operators alone.
func unavailable(cause error, format string, args ...any) *sallyport.Error {
	e := sallyport.Errorf(sallyport.Unavailable, sallyport.CodeLedgerUnavailable, format, args...)
	e.Err = cause
	return e
}
