package gateway

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/adapters/temporal"
	"github.com/sallyport/sallyport/workflows/wire"
)

// Gap is a call or a workflow of which the ledger lacks an entry.
type Gap struct {
	Kind   string     `json:"kind"` // no_outcome, no_end, no_workflow, no_leaves or stray_workflow
	ID     string     `json:"id"`   // of the call, or of the workflow where there is no call
	Agent  string     `json:"agent,omitempty"`
	Tool   string     `json:"tool,omitempty"`
	Since  *time.Time `json:"since,omitempty"` // of its last leaf
	Detail string     `json:"detail"`
}

// GapOptions say where to look for gaps.
type GapOptions struct {
	Database ledger.Database
	Temporal *TemporalConfig // nil looks at the ledger alone
	Grace    time.Duration   // how long a call that is at work may leave no leaf
	Now      time.Time
}

// Gaps lists calls that have no end, and workflows that have no leaves. It
// changes nothing.
func Gaps(ctx context.Context, o GapOptions) (gaps []Gap, err error) {
	archive, err := ledger.OpenArchive(ctx, o.Database)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, archive.Close()) }()
	var running map[string]bool
	if o.Temporal != nil { // first: what it starts meanwhile has its leaf by then
		if running, gaps, err = unrecorded(ctx, archive, *o.Temporal); err != nil {
			return nil, err
		}
	}
	open, err := archive.Open(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range open {
		if g := unended(c, running, o); g != nil {
			gaps = append(gaps, *g)
		}
	}
	return gaps, nil
}

// unrecorded lists the workflows without leaves, and returns the calls whose
// workflows run.
func unrecorded(ctx context.Context, archive *ledger.Archive, c TemporalConfig) (running map[string]bool, gaps []Gap, err error) {
	connection, err := temporal.DialToList(ctx, c.Config)
	if err != nil {
		return nil, nil, err
	}
	defer connection.Close()
	running = map[string]bool{}
	err = temporal.List(ctx, connection, func(w temporal.Listed) error {
		if w.Type != wire.ToolCallName {
			gaps = append(gaps, Gap{Kind: "stray_workflow", ID: w.ID, Detail: "it has the id of a call's workflow, and is of another type: a client with access to Temporal started it, and the call of this id can't have its own"})
			return nil
		}
		id, ok := strings.CutPrefix(w.ID, wire.WorkflowIDPrefix)
		if !ok || !sallyport.ValidCallID(id) {
			gaps = append(gaps, Gap{Kind: "stray_workflow", ID: w.ID, Detail: "no call has this workflow: a client with access to Temporal started it without the API"})
			return nil
		}
		if w.Running {
			running[id] = true
		}
		has, err := archive.Has(ctx, id)
		if err == nil && !has {
			gaps = append(gaps, Gap{Kind: "no_leaves", ID: id, Detail: "this workflow has no leaf: the API did not take the call, or recorded it in another ledger"})
		}
		return err
	})
	return running, gaps, err
}

// unended is the gap of an open call, or nil.
func unended(c ledger.OpenCall, running map[string]bool, o GapOptions) *Gap {
	if !c.Last.Before(o.Now.Add(-o.Grace)) {
		return nil
	}
	g := &Gap{Kind: "no_end", ID: c.ID, Agent: c.Agent, Tool: c.Tool, Since: &c.Last, Detail: "it did not start, and has no outcome"}
	if c.Started {
		g.Kind, g.Detail = "no_outcome", "it started and has no outcome: it may have had an effect"
	}
	switch {
	case running != nil && !running[c.ID]:
		g.Kind = "no_workflow"
		g.Detail += "; its workflow is gone, and the worker's sweeper has not ended the call"
	case c.Until.After(o.Now.Add(-o.Grace)): // it waits for people
		return nil
	}
	return g
}
