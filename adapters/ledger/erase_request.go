package ledger

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"time"

	"github.com/sallyport/sallyport"
)

const (
	// eraseEvery is how often a gateway looks for requests to erase.
	eraseEvery = time.Second
	// maxErasures is how many of them it takes at once.
	maxErasures = 100
)

// Asks reports whether this eraser asks a gateway to erase.
func (r *Eraser) Asks() bool {
	_, ok := r.db.(*postgresDatabase)
	return ok
}

// Request asks for the erasure of a call. The database adds which role asked. It
// fails as [Eraser.Erase] does for a call that can't be erased.
func (r *Eraser) Request(ctx context.Context, callID, reason string) error {
	if s, err := r.state(ctx, callID); err != nil || s.requested {
		return err
	}
	conn, err := r.db.connect(ctx)
	if err == nil {
		err = errors.Join(conn.run(ctx, exec(sqlAskErasure, callID, reason)), conn.close())
	}
	if err != nil {
		return unavailable(err, "the erasure of call %s can't be asked for: this takes the role of `sallyport-gateway ledger migrate --grant-eraser`, and a reason of at most 2000 characters", callID)
	}
	return nil
}

// erasable is what the eraser's role sees of a call.
type erasable struct {
	leaf      int64 // of its erasure; -1 without one
	requested bool
}

// state fails for a call that is unknown, that was erased, or that has not ended.
func (r *Eraser) state(ctx context.Context, callID string) (s erasable, err error) {
	var final, requests int64
	err = r.archive.db.QueryRowContext(ctx, sqlErasable, callID).Scan(&final, &s.leaf, &requests)
	s.requested = requests > 0
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return s, noSuchCall(callID)
	case err != nil:
		return s, unreadable(err)
	case s.leaf >= 0:
		return s, erased(callID)
	case final == 0:
		return s, sallyport.Errorf(sallyport.Conflict, sallyport.CodeNotEnded, "call %s has not ended", callID)
	}
	return s, nil
}

// await waits for the gateway to do what was asked for.
func (r *Eraser) await(ctx context.Context, callID string) (sallyport.Receipt, error) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		s, err := r.state(context.WithoutCancel(ctx), callID)
		switch {
		case s.leaf >= 0 && sallyport.CodeOf(err) == sallyport.CodeErased:
			return sallyport.Receipt{Index: s.leaf}, nil
		case err != nil:
			return sallyport.Receipt{}, err
		case !s.requested:
			return sallyport.Receipt{}, unavailable(nil, "the gateway did not erase call %s, and its log says why", callID)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return sallyport.Receipt{}, unavailable(ctx.Err(), "the erasure of call %s was asked for, and no gateway has done it yet: the request stays until one runs", callID)
		}
	}
}

// eraseAsked does the erasures that were asked for, until the ledger is closed.
func (l *Ledger) eraseAsked(ctx context.Context) {
	tick := time.NewTicker(eraseEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-l.closing:
			return
		}
		if err := l.eraseOnce(ctx); err != nil {
			l.log.LogAttrs(ctx, slog.LevelError, "erasures not done", slog.Any("error", err))
		}
	}
}

// eraseOnce does some erasures. A request that can't be met is removed.
func (l *Ledger) eraseOnce(ctx context.Context) error {
	var asked []sallyport.Entry
	err := each(ctx, l.db, func(rows *sql.Rows) error {
		e := sallyport.Entry{Kind: sallyport.EntryErasure, At: time.Now().Round(0).UTC(), Erasure: &sallyport.Erasure{}}
		err := rows.Scan(&e.CallID, &e.Erasure.Reason, &e.Erasure.By)
		asked = append(asked, e)
		return err
	}, sqlErasures, maxErasures)
	if err != nil {
		return unreadable(err)
	}
	var failed error
	for _, e := range asked {
		_, err := l.Record(ctx, e)
		switch sallyport.KindOf(err) { //nolint:exhaustive // the others refuse
		case "":
			l.log.LogAttrs(ctx, slog.LevelInfo, "call erased", slog.String("call_id", e.CallID), slog.String("by", e.Erasure.By))
			continue
		case sallyport.Unavailable, sallyport.Internal:
			failed = errors.Join(failed, err)
			continue
		}
		l.log.LogAttrs(ctx, slog.LevelWarn, "erasure refused", slog.String("call_id", sallyport.Visible(e.CallID)), slog.String("by", e.Erasure.By), slog.Any("error", err))
		_, err = l.submit(ctx, &request{ctx: ctx, refused: e.CallID})
		failed = errors.Join(failed, err)
	}
	return failed
}
