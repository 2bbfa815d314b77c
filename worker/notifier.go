package worker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sallyport/sallyport"
)

// NotifyOptions say whom to tell what becomes of calls that wait for people.
type NotifyOptions struct {
	// Ledger is followed in its own order. It keeps where the follower stands.
	Ledger interface {
		Position(ctx context.Context, follower string) (int64, error)
		Advance(ctx context.Context, follower string, to int64) error
		AskedSteps(ctx context.Context, from int64, limit int) (steps []sallyport.Step, next int64, err error)
		AwaitSize(ctx context.Context, seen int64) (int64, error)
	}
	Notifier sallyport.Notifier
	Now      func() time.Time
	// Link, unless it is nil, says where people vote.
	Link func(sallyport.Notification) string
	// Meter, unless it is nil, counts attempts by their results: delivered,
	// failed, refused, dropped.
	Meter interface {
		Notification(ctx context.Context, kind sallyport.NotificationKind, result string)
	}
}

const (
	follower = "notifications"
	// window bounds how many notifications are tried at once, each with a
	// pace of its own: those that a receiver can't digest, up to so many, hold
	// back no others.
	window = 100
	// saveEvery is how many leaves without anything to tell the follower
	// passes before it says so. It reads them again after a crash.
	saveEvery = 1000
	// idle is how long nothing may happen before it looks anyway.
	idle = time.Minute
)

// pace says how often a notification is tried.
type pace struct {
	first   time.Duration // after the first failure; then twice as long each time
	longest time.Duration
	giveUp  time.Duration // after what it tells of
}

// notifier follows the ledger, beside the calls and never in their way: it
// only reads what they recorded. Where it stands moves on after a delivery, so
// that a crash in between repeats a notification and loses none.
type notifier struct {
	NotifyOptions
	pace
	logger *slog.Logger

	begun     bool
	position  int64       // before it nothing is left to tell, durably
	next      int64       // the leaf to read next
	pending   []*delivery // in the order of the log
	completed bool        // something was, since position was written
	outage    int         // failures in a row
	paused    time.Time   // the receiver wants to be left alone until then
}

func newNotifier(o NotifyOptions, l *slog.Logger) (*notifier, error) {
	if o.Ledger == nil || o.Notifier == nil || o.Now == nil {
		return nil, errors.New("worker: Ledger, Notifier and Now of Options.Notify are required")
	}
	return &notifier{NotifyOptions: o, logger: l, pace: pace{first: time.Second, longest: 5 * time.Minute, giveUp: 24 * time.Hour}}, nil
}

// begin puts a follower that is new at the end of the log, before this worker
// puts any call to people.
func (n *notifier) begin(ctx context.Context) {
	if _, err := n.Ledger.Position(ctx, follower); err != nil {
		n.logger.WarnContext(ctx, "notifications can't follow the ledger", slog.Any("error", err))
	}
}

// run follows until ctx ends. Nothing that goes wrong ends it.
func (n *notifier) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := n.read(ctx)
		if err == nil {
			if d := n.due(); d != nil {
				n.try(ctx, d)
			}
			err = n.save(ctx)
		}
		if err != nil && ctx.Err() == nil {
			n.logger.WarnContext(ctx, "notifications can't follow the ledger", slog.Any("error", err))
		}
		if err != nil || n.due() == nil {
			n.wait(ctx, err != nil)
		}
	}
}

// read takes up what was recorded, as far as there is room.
func (n *notifier) read(ctx context.Context) error {
	position, err := n.Ledger.Position(ctx, follower)
	if err != nil {
		return err
	}
	n.skip(position)
	for len(n.pending) < window {
		steps, next, err := n.Ledger.AskedSteps(ctx, n.next, window)
		if err != nil {
			return err
		}
		for _, s := range steps {
			n.take(s)
		}
		if next == n.next {
			return nil
		}
		n.next = next
	}
	return nil
}

// skip leaves out what another worker has told.
func (n *notifier) skip(position int64) {
	if n.begun && position <= n.position {
		return
	}
	n.begun, n.position, n.next = true, position, max(n.next, position)
	var left []*delivery
	for _, d := range n.pending {
		if d.index >= position {
			left = append(left, d)
		}
	}
	n.pending = left
}

func (n *notifier) take(s sallyport.Step) {
	note, ok := s.Notification()
	if !ok {
		return
	}
	if n.Link != nil {
		note.Link = n.Link(note)
	}
	n.pending = append(n.pending, &delivery{Notification: note, index: s.Index, at: n.Now()})
}

// save writes down how far everything is told.
func (n *notifier) save(ctx context.Context) error {
	to := n.next
	if len(n.pending) > 0 {
		to = n.pending[0].index
	}
	if to <= n.position {
		n.completed = false
		return nil
	}
	if !n.completed && to-n.position < saveEvery {
		return nil
	}
	if err := n.Ledger.Advance(ctx, follower, to); err != nil {
		return err
	}
	n.position, n.completed = to, false
	return nil
}

// wait ends when a delivery is due, or, if there is room for more, when
// something is recorded.
func (n *notifier) wait(ctx context.Context, failed bool) {
	limit := idle
	if failed {
		limit = n.first
	} else if at, ok := n.earliest(); ok {
		limit = min(limit, max(at.Sub(n.Now()), 0))
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if !failed && len(n.pending) < window {
		if _, err := n.Ledger.AwaitSize(ctx, n.next); err == nil {
			return
		}
	}
	<-ctx.Done()
}
