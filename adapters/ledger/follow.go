package ledger

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
)

// followEvery is how often a follower looks for what other processes
// appended. What this process appends wakes it at once.
const followEvery = 250 * time.Millisecond

// move moves a follower forward to an index; a smaller index changes nothing.
type move struct {
	follower string
	to       int64
}

// Position is the index of the leaf that a follower reads next. A new follower
// begins at the log's end. Positions are stored in the ledger's database; they
// are no part of the log.
func (l *Ledger) Position(ctx context.Context, follower string) (int64, error) {
	at, err := l.position(ctx, follower)
	if !errors.Is(err, sql.ErrNoRows) {
		return at, err
	}
	size, err := l.size(ctx)
	if err != nil {
		return 0, err
	}
	if err := l.Advance(ctx, follower, size); err != nil {
		return 0, err
	}
	return l.position(ctx, follower) // another process may have been quicker
}

func (l *Ledger) position(ctx context.Context, follower string) (int64, error) {
	var at int64
	err := l.db.QueryRowContext(ctx, sqlPosition, follower).Scan(&at)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, unreadable(err)
	}
	return at, err
}

// Advance moves a follower to an index. When it returns without an error, that
// is durable. It never moves a follower back: several processes may share a
// name.
func (l *Ledger) Advance(ctx context.Context, follower string, to int64) error {
	_, err := l.submit(ctx, &request{ctx: ctx, move: &move{follower, to}})
	return err
}

// AwaitSize returns how many leaves the log has, as soon as these are more
// than seen, or when ctx ends.
func (l *Ledger) AwaitSize(ctx context.Context, seen int64) (int64, error) {
	read := context.WithoutCancel(ctx)
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		grown := l.watch.grows()
		size, err := l.size(read)
		if err != nil || size > seen || ctx.Err() != nil {
			return size, err
		}
		select {
		case <-grown:
		case <-tick.C:
		case <-ctx.Done():
		case <-l.closing:
			return size, errClosed()
		}
	}
}

func (l *Ledger) size(ctx context.Context) (int64, error) {
	var size, checkpoints int64
	var hash []byte
	if err := l.db.QueryRowContext(ctx, sqlHead).Scan(&size, &hash, &checkpoints); err != nil {
		return 0, unreadable(err)
	}
	return size, nil
}

// AskedSteps reads up to limit leaves, in the log's order from one on, and
// returns the steps among them that are about a call's wait for people: the
// ballots, and the starts and outcomes after one. Next is the leaf to go on
// with. Steps of calls that were erased, or that can't be read, are left out.
func (l *Ledger) AskedSteps(ctx context.Context, from int64, limit int) (steps []sallyport.Step, next int64, err error) {
	size, err := l.size(ctx)
	if err != nil {
		return nil, from, err
	}
	if next = min(from+int64(max(limit, 0)), size); next <= from {
		return nil, from, nil
	}
	places, err := l.asked(ctx, from, next)
	if err != nil {
		return nil, from, err
	}
	for _, p := range places {
		before, e, err := l.fold(ctx, p)
		switch {
		case errors.Is(err, errGone):
		case sallyport.KindOf(err) == sallyport.Unavailable:
			return nil, from, err
		case err != nil:
			l.log.LogAttrs(ctx, slog.LevelError, "ledger step left out", slog.String("call_id", p.callID),
				slog.Int64("leaf", p.index), slog.Any("error", err))
		default:
			steps = append(steps, sallyport.Step{Index: p.index, Before: before, Entry: e})
		}
	}
	return steps, next, nil
}

// location is an entry's index in the log, and its number within its call.
type location struct {
	index  int64
	callID string
	number int
}

func (l *Ledger) asked(ctx context.Context, from, to int64) ([]location, error) {
	rows, err := l.db.QueryContext(ctx, sqlAsked, from, to)
	if err != nil {
		return nil, unreadable(err)
	}
	defer rows.Close()
	var places []location
	for rows.Next() {
		var p location
		if err := rows.Scan(&p.index, &p.callID, &p.number); err != nil {
			return nil, unreadable(err)
		}
		places = append(places, p)
	}
	if err := rows.Err(); err != nil {
		return nil, unreadable(err)
	}
	return places, nil
}

var errGone = errors.New("the contents were erased")

// fold is an entry, and what its call's entries before it add up to.
func (l *Ledger) fold(ctx context.Context, p location) (before sallyport.Record, e sallyport.Entry, err error) {
	rows, err := l.db.QueryContext(ctx, sqlStory, p.callID, p.number)
	if err != nil {
		return before, e, unreadable(err)
	}
	defer rows.Close()
	var r sallyport.Record
	for rows.Next() {
		var content, receipt []byte
		if err := rows.Scan(&content, &receipt); err != nil {
			return before, e, unreadable(err)
		}
		if content == nil {
			return before, e, errGone
		}
		if e, err = proof.DecodeEntry(unpack(content, receipt)); err != nil {
			return before, e, err
		}
		before = r
		if r, err = before.Apply(e); err != nil {
			return before, e, err
		}
	}
	if err := rows.Err(); err != nil {
		return before, e, unreadable(err)
	}
	return before, e, nil
}
