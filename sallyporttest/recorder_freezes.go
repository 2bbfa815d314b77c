package sallyporttest

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/sallyport/sallyport"
)

// writeFreeze adds a freeze's entry.
func (c *fakeCall) writeFreeze(e sallyport.Entry) error {
	next, err := c.freeze.Apply(e)
	if err == nil {
		c.freeze = next
	}
	return err
}

// frozen is what stops a call from going on.
func (l *Ledger) frozen(r sallyport.Record, e sallyport.Entry) error {
	if e.Kind != sallyport.EntryBallot && e.Kind != sallyport.EntryStart {
		return nil
	}
	namespace := ""
	if r.Intent != nil {
		namespace = r.Intent.Namespace
	}
	for _, f := range l.held() {
		if f.Freeze.Stops(r.Call.AgentID, r.Call.Tool, namespace) {
			return f.Freeze.Denial()
		}
	}
	return nil
}

func (l *Ledger) held() []sallyport.FreezeRecord {
	var held []sallyport.FreezeRecord
	for _, c := range l.calls {
		if c.freeze.Entries > 0 && c.freeze.Lift == nil {
			held = append(held, c.freeze)
		}
	}
	slices.SortFunc(held, func(a, b sallyport.FreezeRecord) int {
		return cmp.Or(a.Freeze.At.Compare(b.Freeze.At), strings.Compare(a.Freeze.ID, b.Freeze.ID))
	})
	return held
}

// Held implements [sallyport.Freezes].
func (l *Ledger) Held(context.Context) ([]sallyport.FreezeRecord, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held(), nil
}

// Freeze implements [sallyport.Freezes].
func (l *Ledger) Freeze(_ context.Context, id string) (sallyport.FreezeRecord, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.calls[id]; c != nil && c.freeze.Entries > 0 {
		return c.freeze, nil
	}
	return sallyport.FreezeRecord{}, sallyport.Errorf(sallyport.NotFound, "no_such_freeze", "there is no freeze %q", id)
}

// Stopped implements [sallyport.Freezes].
func (l *Ledger) Stopped(_ context.Context, f sallyport.Freeze, limit int) ([]sallyport.Summary, error) {
	records, err := l.selected(func(r sallyport.Record) bool {
		namespace := ""
		if r.Intent != nil {
			namespace = r.Intent.Namespace
		}
		return !r.State.Final() && f.Stops(r.Call.AgentID, r.Call.Tool, namespace)
	}, func(a, b sallyport.Record) int {
		return cmp.Or(a.UpdatedAt.Compare(b.UpdatedAt), strings.Compare(a.Call.ID, b.Call.ID))
	})
	return summaries(records[:min(len(records), max(limit, 0))]), err
}

// Frozen is the freeze that stops an intent, or nil.
func (l *Ledger) Frozen(_ context.Context, i sallyport.Intent) (*sallyport.Freeze, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.held() {
		if f.Freeze.Stops(i.Agent.ID, i.Tool.Name, i.Namespace) {
			return &f.Freeze, nil
		}
	}
	return nil, nil
}
