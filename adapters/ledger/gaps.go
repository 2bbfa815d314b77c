package ledger

import (
	"context"
	"database/sql"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
)

// OpenCall is a call whose leaves have no outcome among them.
type OpenCall struct {
	ID      string
	Agent   string
	Tool    string
	Started bool      // it may have had an effect
	Last    time.Time // of its last leaf
	Until   time.Time // people may vote on it, where it waits for that; else zero
}

// Open lists the calls that have not ended, by their leaves, which can't be
// changed as the projection can.
func (a *Archive) Open(ctx context.Context) ([]OpenCall, error) {
	ids, err := column(ctx, a.db, sqlUnended)
	if err != nil {
		return nil, unreadable(err)
	}
	open := make([]OpenCall, 0, len(ids))
	for _, id := range ids {
		c, err := a.openCall(ctx, id)
		if err != nil {
			return nil, err
		}
		open = append(open, c)
	}
	return open, nil
}

func (a *Archive) openCall(ctx context.Context, id string) (OpenCall, error) {
	c := OpenCall{ID: id}
	err := each(ctx, a.db, func(rows *sql.Rows) error {
		var index int64
		var leaf, content, receipt []byte
		if err := rows.Scan(&index, &leaf, &content, &receipt); err != nil {
			return err
		}
		return c.add(leaf, unpack(content, receipt))
	}, sqlLeavesOf, id)
	if err != nil {
		return c, unreadable(err)
	}
	return c, nil
}

// add takes the call's next leaf, with what the store has of it.
func (c *OpenCall) add(leaf, content []byte) error {
	l, err := proof.ParseLeaf(leaf)
	if err != nil {
		return err
	}
	if c.Last, err = time.Parse(time.RFC3339Nano, l.Time); err != nil {
		return err
	}
	switch l.Kind { //nolint:exhaustive // the others change nothing of it
	case sallyport.EntryReceived:
		c.Agent, c.Tool = l.Agent, l.Tool
	case sallyport.EntryBallot:
		// The store is not verified here. The leaf bounds what it can say.
		if e, err := proof.DecodeEntry(content); err == nil && e.Ballot != nil {
			c.Until = e.Ballot.ExpiresAt
			if latest := c.Last.Add(sallyport.MaxTTLSeconds * time.Second); c.Until.After(latest) {
				c.Until = latest
			}
		}
	case sallyport.EntryStart:
		c.Started, c.Until = true, time.Time{}
	}
	return nil
}

// Has reports whether the log has a leaf of a call.
func (a *Archive) Has(ctx context.Context, id string) (bool, error) {
	var n int
	if err := a.db.QueryRowContext(ctx, sqlHasLeaves, id).Scan(&n); err != nil {
		return false, unreadable(err)
	}
	return n > 0, nil
}
