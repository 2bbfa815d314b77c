package sallyporttest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sallyport/sallyport"
)

// Ledger is a ledger in memory. It keeps the contracts of
// [sallyport.Recorder] and [sallyport.Reader], proves nothing, and fails on
// demand.
type Ledger struct {
	// Fail is asked before an entry is written. What it returns is what
	// Record returns, and the entry is not written. Set it before use.
	Fail func(sallyport.Entry) error
	// FailAfter is asked when an entry has been written: the answer is lost,
	// as in a crash between a commit and its acknowledgement. Set it before
	// use.
	FailAfter func(sallyport.Entry) error

	mu      sync.Mutex
	size    int64
	calls   map[string]*fakeCall
	changed chan struct{} // closed and replaced when an entry is written
}

type fakeCall struct {
	record   sallyport.Record
	freeze   sallyport.FreezeRecord // of a freeze, which has no record
	receipts []sallyport.Receipt
	erased   bool
}

func (c *fakeCall) gone(id string) error {
	if c == nil || !c.erased {
		return nil
	}
	return sallyport.Errorf(sallyport.NotFound, "erased", "the contents of call %s were erased", id)
}

// NewLedger makes an empty ledger.
func NewLedger() *Ledger {
	return &Ledger{calls: map[string]*fakeCall{}, changed: make(chan struct{})}
}

// Record implements [sallyport.Recorder].
func (l *Ledger) Record(ctx context.Context, e sallyport.Entry) (sallyport.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return sallyport.Receipt{}, sallyport.Errorf(sallyport.Unavailable, "ledger_unavailable", "the ledger was not asked: %w", err)
	}
	if err := e.Check(); err != nil {
		return sallyport.Receipt{}, err
	}
	e, err := copyOf(e)
	if err != nil {
		return sallyport.Receipt{}, err
	}
	if err := ask(l.Fail, e); err != nil {
		return sallyport.Receipt{}, err
	}
	r, err := l.write(e)
	if err != nil {
		return sallyport.Receipt{}, err
	}
	if err := ask(l.FailAfter, e); err != nil {
		return sallyport.Receipt{}, err
	}
	r.Entry, err = copyOf(r.Entry)
	return r, err
}

func (l *Ledger) write(e sallyport.Entry) (sallyport.Receipt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.calls[e.CallID]
	if err := c.gone(e.CallID); err != nil {
		return sallyport.Receipt{}, err
	}
	if c == nil {
		c = &fakeCall{}
	}
	for _, r := range c.receipts {
		if r.Entry.Kind == e.Kind && r.Entry.Key == e.Key {
			r.Repeated = true
			return r, nil
		}
	}
	if err := l.frozen(c.record, e); err != nil {
		return sallyport.Receipt{}, err
	}
	if err := l.repeats(e); err != nil {
		return sallyport.Receipt{}, err
	}
	record := c.record
	var err error
	if e.Kind.OfFreeze() {
		err = c.writeFreeze(e)
	} else {
		record, err = c.record.Apply(e)
	}
	if err != nil {
		return sallyport.Receipt{}, err
	}
	b, err := json.Marshal(e)
	if err != nil {
		return sallyport.Receipt{}, err
	}
	number := len(c.receipts)
	r := sallyport.Receipt{
		Index:  l.size,
		Number: number,
		Leaf:   sallyport.NewDigest("sallyporttest/leaf", []byte(strconv.Itoa(number)), b),
		Entry:  e,
	}
	c.record, c.receipts = record, append(c.receipts, r)
	l.calls[e.CallID] = c
	l.size++
	close(l.changed)
	l.changed = make(chan struct{})
	return r, nil
}

// repeats denies a call that repeats another, which is the last one of several.
func (l *Ledger) repeats(e sallyport.Entry) error {
	if e.Kind != sallyport.EntryReceived || e.Call.JoinSeconds <= 0 {
		return nil
	}
	var last *sallyport.Record
	ended := e.At.Add(-time.Duration(e.Call.JoinSeconds) * time.Second)
	for _, c := range l.calls {
		r := c.record
		joined := !r.State.Final() || r.UpdatedAt.After(ended) && r.State != sallyport.StateCancelled
		if !c.erased && joined && r.Call.Same == e.Call.Same && (last == nil || r.Call.ReceivedAt.After(last.Call.ReceivedAt)) {
			last = &r
		}
	}
	if last == nil {
		return nil
	}
	err := sallyport.Errorf(sallyport.Conflict, sallyport.CodeSameCall, "the call repeats call %s", last.Call.ID)
	err.CallID = last.Call.ID
	return err
}

// Entries are a call's entries so far, in order.
func (l *Ledger) Entries(id string) []sallyport.Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.calls[id]
	if c == nil {
		return nil
	}
	var entries []sallyport.Entry
	for _, r := range c.receipts {
		entries = append(entries, r.Entry)
	}
	return entries
}

// Erase takes out a call's contents.
func (l *Ledger) Erase(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls[id].erased = true
}

// Call implements [sallyport.Reader].
func (l *Ledger) Call(_ context.Context, id string) (sallyport.Record, error) {
	r, _, err := l.look(id)
	return r, err
}

// Await implements [sallyport.Reader].
func (l *Ledger) Await(ctx context.Context, id string, seen int) (sallyport.Record, error) {
	for {
		r, changed, err := l.look(id)
		if err != nil || r.Entries > seen {
			return r, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return l.Call(ctx, id)
		}
	}
}

func (l *Ledger) look(id string) (sallyport.Record, <-chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.calls[id]
	if c == nil || c.record.Entries == 0 {
		return sallyport.Record{}, nil, sallyport.Errorf(sallyport.NotFound, "no_such_call", "there is no call %q", id)
	}
	if err := c.gone(id); err != nil {
		return sallyport.Record{}, nil, err
	}
	r, err := copyOf(c.record)
	return r, l.changed, err
}

// Calls implements [sallyport.Reader].
func (l *Ledger) Calls(_ context.Context, q sallyport.Query) (sallyport.Page, error) {
	limit := q.Limit
	if limit == 0 {
		limit = 50
	}
	if limit < 1 || limit > 500 {
		return sallyport.Page{}, sallyport.Errorf(sallyport.Invalid, "bad_limit", "the limit %d is not between 1 and 500", q.Limit)
	}
	after, err := decodeCursor(q.Cursor)
	if err != nil {
		return sallyport.Page{}, err
	}
	order := newestFirst
	if q.Voter != nil {
		order = func(a, b place) int { return newestFirst(b, a) }
	}
	records, err := l.selected(func(r sallyport.Record) bool {
		return matches(r, q) && l.calls[r.Call.ID].foundBy(q.Terms()) && (after == nil || order(*after, position(r)) < 0)
	}, func(a, b sallyport.Record) int { return order(position(a), position(b)) })
	if err != nil || len(records) <= limit {
		return sallyport.Page{Records: summaries(records)}, err
	}
	return sallyport.Page{Records: summaries(records[:limit]), Cursor: encodeCursor(position(records[limit-1]))}, nil
}

func summaries(records []sallyport.Record) (all []sallyport.Summary) {
	for _, r := range records {
		all = append(all, r.Summary())
	}
	return all
}

// History implements [sallyport.Reader].
func (l *Ledger) History(_ context.Context, i sallyport.Intent, now time.Time) (sallyport.History, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var h sallyport.History
	for id, c := range l.calls {
		call := c.record.Call
		if id == i.CallID || call.AgentID != i.Agent.ID || call.ReceivedAt.Before(now.Add(-time.Hour)) {
			continue
		}
		h.CallsLastHour++
		if !call.ReceivedAt.Before(now.Add(-time.Minute)) {
			h.CallsLastMinute++
		}
		if call.Tool == i.Tool.Name && bytes.Equal(call.Arguments, i.Arguments) {
			h.SameArgumentsLastHour++
		}
		if c.record.State == sallyport.StateDenied {
			h.DeniedLastHour++
		}
	}
	return h, nil
}

// Sweepable is, oldest first, what has not ended and whose last entry is later
// than after and earlier than before.
func (l *Ledger) Sweepable(_ context.Context, after, before time.Time, limit int) ([]sallyport.Record, error) {
	records, err := l.selected(func(r sallyport.Record) bool {
		return !r.State.Final() && r.UpdatedAt.After(after) && r.UpdatedAt.Before(before)
	}, func(a, b sallyport.Record) int {
		return cmp.Or(a.UpdatedAt.Compare(b.UpdatedAt), strings.Compare(a.Call.ID, b.Call.ID))
	})
	return records[:min(len(records), max(limit, 0))], err
}

func (l *Ledger) selected(want func(sallyport.Record) bool, order func(a, b sallyport.Record) int) ([]sallyport.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var records []sallyport.Record
	for _, c := range l.calls {
		if c.record.Entries == 0 || c.erased || !want(c.record) {
			continue
		}
		r, err := copyOf(c.record)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	slices.SortFunc(records, order)
	return records, nil
}

// foundBy reports whether a call has all of some terms.
func (c *fakeCall) foundBy(terms []string) bool {
	var have []string
	for _, r := range c.receipts {
		have = append(have, r.Entry.Terms()...)
	}
	return !slices.ContainsFunc(terms, func(t string) bool { return !slices.Contains(have, t) })
}

func matches(r sallyport.Record, q sallyport.Query) bool {
	return (q.Voter == nil || r.Summary().WaitsFor(*q.Voter)) && (q.ID == "" || q.ID == r.Call.ID) &&
		(len(q.States) == 0 || slices.Contains(q.States, r.State)) &&
		(q.Agent == "" || q.Agent == r.Call.AgentID) &&
		(q.Tool == "" || q.Tool == r.Call.Tool) &&
		(q.Namespace == "" || r.Intent != nil && q.Namespace == r.Intent.Namespace) &&
		(q.Since.IsZero() || !r.Call.ReceivedAt.Before(q.Since)) &&
		(q.Before.IsZero() || r.Call.ReceivedAt.Before(q.Before))
}

// place is where a call stands in a list.
type place struct {
	At time.Time `json:"at"`
	ID string    `json:"id"`
}

func position(r sallyport.Record) place { return place{At: r.Call.ReceivedAt, ID: r.Call.ID} }

func newestFirst(a, b place) int { return cmp.Or(b.At.Compare(a.At), strings.Compare(b.ID, a.ID)) }

func encodeCursor(p place) string {
	return base64.RawURLEncoding.EncodeToString([]byte(p.At.Format(time.RFC3339Nano) + " " + p.ID))
}

func decodeCursor(cursor string) (*place, error) {
	if cursor == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	at, id, _ := strings.Cut(string(b), " ")
	t, terr := time.Parse(time.RFC3339Nano, at)
	if err != nil || terr != nil || !sallyport.ValidCallID(id) {
		return nil, sallyport.Errorf(sallyport.Invalid, "bad_cursor", "invalid cursor; want the cursor of the page before")
	}
	return &place{At: t, ID: id}, nil
}

// ask asks for a fault; one that has no kind is Unavailable.
func ask(fault func(sallyport.Entry) error, e sallyport.Entry) error {
	if fault == nil {
		return nil
	}
	err := fault(e)
	if err == nil || sallyport.KindOf(err) != sallyport.Internal {
		return err
	}
	return sallyport.Errorf(sallyport.Unavailable, "ledger_unavailable", "the ledger failed: %w", err)
}

// copyOf is v after encoding it to JSON and decoding it, so that it shares
// nothing with the caller's value.
func copyOf[T any](v T) (T, error) {
	var c T
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return c, sallyport.Errorf(sallyport.Invalid, "bad_entry", "this can't be written as JSON: %w", err)
	}
	err := json.Unmarshal(b.Bytes(), &c)
	return c, err
}
