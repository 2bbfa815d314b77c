//go:build !race

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/workflows/wire"
)

// moment is a point in the life of a call, and what happened since the one
// before.
type moment struct {
	what string
	at   func(life) time.Time
}

// life is when what happened to one call. All clocks are this machine's.
type life struct {
	sent, answered, closed time.Time
	entries                map[sallyport.EntryKind]sallyport.Entry
	events                 map[enumspb.EventType]time.Time // the first of each type
}

// moments are in the order in which they come. The times of ledger entries
// are from just before they are appended.
func moments() []moment {
	entry := func(k sallyport.EntryKind) func(life) time.Time {
		return func(l life) time.Time { return l.entries[k].At }
	}
	event := func(t enumspb.EventType) func(life) time.Time {
		return func(l life) time.Time { return l.events[t] }
	}
	return []moment{
		{"", func(l life) time.Time { return l.sent }},
		{"API: identify, read", entry(sallyport.EntryReceived)},
		{"API: sign, append received; Temporal: start", event(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED)},
		{"Temporal: dispatch the workflow task", event(enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED)},
		{"worker: take it, validate", entry(sallyport.EntryIntent)},
		{"worker: append intent, decide", entry(sallyport.EntryDecision)},
		{"worker: append decision; Temporal: schedule Run", event(enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)},
		{"Temporal: dispatch Run", event(enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED)},
		{"worker: take it, validate and decide again", entry(sallyport.EntryStart)},
		{"worker: append start", func(l life) time.Time { return l.entries[sallyport.EntryOutcome].Outcome.StartedAt }},
		{"worker: check out, run in the sandbox", entry(sallyport.EntryOutcome)},
		{"worker: append outcome; API: notice, answer", func(l life) time.Time { return l.answered }},
		{"(after the answer) Temporal: close the workflow", func(l life) time.Time { return l.closed }},
	}
}

// printTimeline says where the time of the median call goes.
func printTimeline(ctx context.Context, out io.Writer, h *harness, samples []sample) error {
	all := moments()
	took := make([][]float64, len(all))
	for _, s := range samples {
		l, err := h.life(ctx, s)
		if err != nil {
			return err
		}
		for i := 1; i < len(all); i++ {
			took[i] = append(took[i], milliseconds(all[i].at(l).Sub(all[i-1].at(l))))
		}
	}
	fmt.Fprintf(out, "Where the time of a call goes, medians of %d calls in ms:\n\n", len(samples))
	for i := 1; i < len(all); i++ {
		fmt.Fprintf(out, "  %6.2f  %s\n", percentile(took[i], 50), all[i].what)
	}
	fmt.Fprintln(out)
	return nil
}

func (h *harness) life(ctx context.Context, s sample) (life, error) {
	l := life{
		sent: s.sent, answered: s.sent.Add(s.took), closed: s.sent.Add(s.closed),
		entries: map[sallyport.EntryKind]sallyport.Entry{}, events: map[enumspb.EventType]time.Time{},
	}
	entries, err := h.entries(ctx, strings.TrimPrefix(s.workflowID, wire.WorkflowIDPrefix))
	if err != nil {
		return l, err
	}
	for _, e := range entries {
		l.entries[e.Kind] = e
	}
	if l.entries[sallyport.EntryOutcome].Outcome == nil {
		return l, fmt.Errorf("the ledger has no outcome of %s", s.workflowID)
	}
	events, err := h.events(ctx, s.workflowID)
	if err != nil {
		return l, err
	}
	for _, e := range slices.Backward(events) {
		l.events[e.GetEventType()] = e.GetEventTime().AsTime()
	}
	return l, nil
}

// entries reads what the ledger has of a call. It reads the whole ledger at first.
func (h *harness) entries(ctx context.Context, callID string) ([]sallyport.Entry, error) {
	if h.stories == nil {
		stories := map[string][]sallyport.Entry{}
		err := h.ledger.Export(ctx, 0, true, func(l ledger.ExportedLeaf) error {
			var e sallyport.Entry
			if err := json.Unmarshal(l.Entry, &e); err != nil {
				return err
			}
			stories[e.CallID] = append(stories[e.CallID], e)
			return nil
		})
		if err != nil {
			return nil, err
		}
		h.stories = stories
	}
	return h.stories[callID], nil
}
