package worker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sallyport/sallyport"
)

// NotifyOptions say where to send notifications about calls that wait for
// approval.
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
	// Link, unless it is nil, links to the page where people vote.
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
	// pace of its own: up to so many that a receiver does not take hold back no
	// others.
	window = 100
	// saveEvery is how many leaves without a notification the follower passes
	// before it saves its position. It reads them again after a crash.
	saveEvery = 1000
	// idle is how long the follower waits at most before it reads again.
	idle = time.Minute
)

// pace says how often a notification is tried.
type pace struct {
	first   time.Duration // after the first failure; then twice as long each time
	longest time.Duration
	giveUp  time.Duration // after the entry of the notification
}

// notifier follows the ledger off the critical path: no call waits for it. Its
// position moves on after a delivery, so that a crash in between repeats a
// notification and loses none.
type notifier struct {
	NotifyOptions
	pace
	logger *slog.Logger

	begun     bool
	position  int64       // saved: all notifications before it are delivered
	next      int64       // the leaf to read next
	pending   []*delivery // in the order of the log
	completed bool        // a delivery was, since position was saved
	outage    int         // failures in a row
	paused    time.Time   // as the receiver asked
}

func newNotifier(o NotifyOptions, l *slog.Logger) (*notifier, error) {
	if o.Ledger == nil || o.Notifier == nil || o.Now == nil {
		return nil, errors.New("worker: Ledger, Notifier and Now of Options.Notify are required")
	}
	return &notifier{NotifyOptions: o, logger: l, pace: pace{first: time.Second, longest: 5 * time.Minute, giveUp: 24 * time.Hour}}, nil
}

// begin puts a new follower at the end of the log, before this worker opens a
// ballot.
func (n *notifier) begin(ctx context.Context) {
	if _, err := n.Ledger.Position(ctx, follower); err != nil {
		n.logger.WarnContext(ctx, "notifications can't follow the ledger", slog.Any("error", err))
	}
}

// run follows until ctx ends. An error does not end it.
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

// read takes notifications from the ledger while there is room.
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

// skip leaves out what another worker has delivered.
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

// save records the position before which all notifications are delivered.
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
