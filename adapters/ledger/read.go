package ledger

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"sync"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
)

const (
	defaultLimit = 50
	maxLimit     = 500
)

// Archive reads a ledger and never writes to it. It implements
// [sallyport.Reader] but for Await, which takes a [Ledger].
type Archive struct {
	db *sql.DB

	preparing sync.Mutex
	prepared  *sql.Stmt // of sqlHistory
}

// OpenArchive opens a ledger that is there for reading alone.
func OpenArchive(ctx context.Context, d Database) (*Archive, error) {
	db, _, err := d.openReadOnly(ctx)
	if err != nil {
		return nil, err
	}
	return &Archive{db: db}, nil
}

// Close closes the database.
func (a *Archive) Close() error { return a.db.Close() }

// Call implements [sallyport.Reader]. The record is the fold of the call's entries.
func (a *Archive) Call(ctx context.Context, id string) (sallyport.Record, error) {
	var r sallyport.Record
	steps := 0
	err := each(ctx, a.db, func(rows *sql.Rows) error {
		var index int64
		var leaf, content, receipt []byte
		if err := rows.Scan(&index, &leaf, &content, &receipt); err != nil {
			return unreadable(err)
		}
		steps++
		if content == nil {
			return erased(id)
		}
		e, err := proof.DecodeEntry(unpack(content, receipt))
		switch {
		case err != nil:
			return err
		case e.Kind.OfFreeze():
			return noSuchCall(id)
		}
		r, err = r.Apply(e)
		return err
	}, sqlLeavesOf, id)
	switch {
	case err != nil && sallyport.KindOf(err) == "":
		return sallyport.Record{}, unreadable(err)
	case err != nil:
		return sallyport.Record{}, err
	case steps == 0:
		return sallyport.Record{}, noSuchCall(id)
	}
	return r, nil
}

// Calls implements [sallyport.Reader]. Newest is what was received last.
func (a *Archive) Calls(ctx context.Context, q sallyport.Query) (sallyport.Page, error) {
	limit := q.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	if limit < 1 || limit > maxLimit {
		return sallyport.Page{}, sallyport.Errorf(sallyport.Invalid, sallyport.CodeBadLimit, "the limit %d is not between 1 and %d", q.Limit, maxLimit)
	}
	after, err := parseCursor(q.Cursor)
	if err != nil {
		return sallyport.Page{}, err
	}
	read := limit // rows; what waits for a person is found among all that waits
	if q.Voter != nil {
		read = maxLimit
	}
	text, args := selectCalls(q, after, read)
	records, err := a.summaries(ctx, text, args...)
	if err != nil {
		return sallyport.Page{}, err
	}
	var page sallyport.Page
	for i, r := range records {
		if i == read || len(page.Records) == limit {
			last := records[i-1].Call
			page.Cursor = cursor{receivedAt: nanos(last.ReceivedAt), callID: last.ID}.String()
			break
		}
		if q.Voter == nil || r.WaitsFor(*q.Voter) {
			page.Records = append(page.Records, r)
		}
	}
	return page, nil
}

// Sweepable lists, oldest first, the calls that have not ended and whose last
// entry is later than after and earlier than before.
func (a *Archive) Sweepable(ctx context.Context, after, before time.Time, limit int) ([]sallyport.Record, error) {
	ids, err := column(ctx, a.db, sqlSweepable, nanos(after), nanos(before), max(limit, 0))
	if err != nil {
		return nil, unreadable(err)
	}
	var records []sallyport.Record
	for _, id := range ids {
		r, err := a.Call(ctx, id)
		switch {
		case sallyport.KindOf(err) == sallyport.NotFound: // it has ended and was erased
		case err != nil:
			return nil, err
		default:
			records = append(records, r)
		}
	}
	return records, nil
}

// Held implements [sallyport.Freezes].
func (a *Archive) Held(ctx context.Context) ([]sallyport.FreezeRecord, error) {
	return a.freezes(ctx, sqlHeld)
}

// Freeze implements [sallyport.Freezes].
func (a *Archive) Freeze(ctx context.Context, id string) (sallyport.FreezeRecord, error) {
	found, err := a.freezes(ctx, sqlFreeze, id)
	if err == nil && len(found) == 0 {
		err = sallyport.Errorf(sallyport.NotFound, sallyport.CodeNoSuchFreeze, "there is no freeze %q", id)
	}
	if err != nil {
		return sallyport.FreezeRecord{}, err
	}
	return found[0], nil
}

// Stopped implements [sallyport.Freezes].
func (a *Archive) Stopped(ctx context.Context, f sallyport.Freeze, limit int) ([]sallyport.Summary, error) {
	f = searchable(f)
	return a.summaries(ctx, sqlStopped, f.Agent, f.Tool, f.Namespace, max(limit, 0))
}

// Frozen is the freeze that stops an intent, or nil.
func (a *Archive) Frozen(ctx context.Context, i sallyport.Intent) (*sallyport.Freeze, error) {
	found, err := a.freezes(ctx, sqlFrozen, sallyport.Searchable(i.Agent.ID), sallyport.Searchable(i.Tool.Name), sallyport.Searchable(i.Namespace))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0].Freeze, nil
}

func (a *Archive) freezes(ctx context.Context, text string, args ...any) ([]sallyport.FreezeRecord, error) {
	var all []sallyport.FreezeRecord
	err := each(ctx, a.db, func(rows *sql.Rows) error {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			return err
		}
		r, err := decodeFreeze(b)
		all = append(all, r)
		return err
	}, text, args...)
	if err != nil {
		return nil, unreadable(err)
	}
	return all, nil
}

// History implements [sallyport.Reader]. Calls that other clocks received
// after now count too.
func (a *Archive) History(ctx context.Context, i sallyport.Intent, now time.Time) (sallyport.History, error) {
	var h sallyport.History
	read, err := a.history(ctx)
	if err != nil {
		return h, unreadable(err)
	}
	err = read.QueryRowContext(ctx, sallyport.Searchable(i.Agent.ID), i.CallID, nanos(now.Add(-time.Minute)), nanos(now.Add(-time.Hour)),
		sallyport.Searchable(i.Tool.Name), string(argumentsDigest(i.Arguments))).
		Scan(&h.CallsLastMinute, &h.CallsLastHour, &h.SameArgumentsLastHour, &h.DeniedLastHour)
	if err != nil {
		return sallyport.History{}, unreadable(err)
	}
	return h, nil
}

// history is prepared once: SQLite takes longer to compile it than to run it.
func (a *Archive) history(ctx context.Context) (*sql.Stmt, error) {
	a.preparing.Lock()
	defer a.preparing.Unlock()
	if a.prepared != nil {
		return a.prepared, nil
	}
	var err error
	a.prepared, err = a.db.PrepareContext(ctx, sqlHistory)
	return a.prepared, err
}

// summaries reads the calls that a query selects.
func (a *Archive) summaries(ctx context.Context, text string, args ...any) ([]sallyport.Summary, error) {
	var all []sallyport.Summary
	err := each(ctx, a.db, func(rows *sql.Rows) error {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			return unreadable(err)
		}
		s, err := decodeSummary(b)
		all = append(all, s)
		return err
	}, text, args...)
	switch {
	case err != nil && sallyport.KindOf(err) == "":
		return nil, unreadable(err)
	case err != nil:
		return nil, err
	}
	return all, nil
}

func unreadable(cause error) error { return unavailable(cause, "the ledger can't be read") }

// cursor is the last call of a page. Calls that are added between two pages are
// newer and belong before the first one, so that the pages don't change.
type cursor struct {
	receivedAt int64
	callID     string
}

const cursorVersion = 1

func (c cursor) String() string {
	b := binary.BigEndian.AppendUint64([]byte{cursorVersion}, uint64(c.receivedAt)) //nolint:gosec // the bits are read back as they are
	return base64.RawURLEncoding.EncodeToString(append(b, c.callID...))
}

func parseCursor(s string) (*cursor, error) {
	if s == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) < 9 || b[0] != cursorVersion || !sallyport.ValidCallID(string(b[9:])) {
		return nil, sallyport.Errorf(sallyport.Invalid, sallyport.CodeBadCursor, "invalid cursor; want the cursor of the page before")
	}
	return &cursor{
		receivedAt: int64(binary.BigEndian.Uint64(b[1:9])), //nolint:gosec // see String
		callID:     string(b[9:]),
	}, nil
}
