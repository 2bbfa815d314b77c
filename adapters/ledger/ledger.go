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

	// Limits of an agent; nil means no limits.
	Limits func(agent string) sallyport.Limits

	// AtWork is how many calls of all agents may be at work at once; 0 means any
	// number. Those that wait for people are not counted.
	AtWork int
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
	if o.Database.DSN != "" {
		l.running.Go(func() { l.eraseAsked(background) })
	}
	return l, nil
}

// checkSigned signs the leaves that no checkpoint covers yet. Signing compares
// the log with the last checkpoint.
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

// Close writes the requests that were accepted so far, signs the head, and
// closes the database. After it, nothing is recorded any more.
func (l *Ledger) Close() error {
	l.closeOnce.Do(func() {
		close(l.closing)
		l.running.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
		defer cancel()
		l.notary.store = l.storeNow
		err := l.notary.sign(ctx)
		for n := 0; err != nil && n < maxReaders; n++ { // each may be a connection that the server has lost
			err = l.notary.sign(ctx)
		}
		if err != nil { // the next Open signs it
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

// Record implements [sallyport.Recorder]. An entry that fails its check, or
// whose leaf would be too large, is rejected with an error of kind
// [sallyport.Invalid].
func (l *Ledger) Record(ctx context.Context, e sallyport.Entry) (sallyport.Receipt, error) {
	normal, content, err := proof.Normalise(e)
	if err != nil {
		return sallyport.Receipt{}, err
	}
	return l.submit(ctx, &request{ctx: ctx, entry: &normal, content: content})
}

// submit gives a request to the writer and waits for its response. When the
// context ends first, it is unknown whether the entry was written.
func (l *Ledger) submit(ctx context.Context, r *request) (sallyport.Receipt, error) {
	r.response = make(chan response, 1)
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
	case response := <-r.response:
		return response.receipt, response.err
	case <-ctx.Done():
		return sallyport.Receipt{}, unavailable(ctx.Err(), "the ledger did not answer in time")
	case <-l.write.stopped:
	}
	select {
	case response := <-r.response: // the writer's last
		return response.receipt, response.err
	default:
		return sallyport.Receipt{}, errClosed()
	}
}

func errClosed() error { return unavailable(nil, "the ledger is closed") }

// unavailable is the error for a request that recorded nothing. Only operators
// see its cause.
func unavailable(cause error, format string, args ...any) *sallyport.Error {
	e := sallyport.Errorf(sallyport.Unavailable, sallyport.CodeLedgerUnavailable, format, args...)
	e.Err = cause
	return e
}
