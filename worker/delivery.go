package worker

import (
	"context"
	"crypto/rand"
	"log/slog"
	"math/big"
	"slices"
	"time"

	"github.com/sallyport/sallyport"
)

// delivery is a notification that is to be delivered.
type delivery struct {
	sallyport.Notification
	index    int64 // of the leaf it tells of
	attempts int   // that failed
	at       time.Time
}

// The results of attempts, for the meter.
const (
	delivered = "delivered"
	failed    = "failed"  // it is tried again
	refused   = "refused" // by the receiver, for good
	dropped   = "dropped" // after too long
)

// outageAfter is how many failures in a row look like an outage, and not like
// a notification that the receiver can't digest.
const outageAfter = 2

// due is the delivery to be tried now, or nil. Those of one call come in their
// order; of the others, what has waited for longest since it was due.
func (n *notifier) due() *delivery {
	var first *delivery
	for d := range n.ready {
		if first == nil || d.at.Before(first.at) {
			first = d
		}
	}
	if first == nil || first.at.After(n.Now()) || n.paused.After(n.Now()) {
		return nil
	}
	return first
}

// earliest is when the next delivery is due, if there is one.
func (n *notifier) earliest() (at time.Time, ok bool) {
	for d := range n.ready {
		if !ok || d.at.Before(at) {
			at, ok = d.at, true
		}
	}
	if at.Before(n.paused) {
		at = n.paused
	}
	return at, ok
}

// ready yields each call's first pending delivery.
func (n *notifier) ready(yield func(*delivery) bool) {
	seen := map[string]bool{}
	for _, d := range n.pending {
		if !seen[d.CallID] && !yield(d) {
			return
		}
		seen[d.CallID] = true
	}
}

// try makes one attempt.
func (n *notifier) try(ctx context.Context, d *delivery) {
	if n.Now().Sub(d.At) >= n.giveUp {
		n.complete(ctx, d, dropped)
		n.logger.ErrorContext(ctx, "notification dropped: it could not be delivered in time", d.attributes()...)
		return
	}
	err := n.Notifier.Notify(ctx, d.Notification)
	switch {
	case err == nil:
		n.complete(ctx, d, delivered)
		n.resume()
	case ctx.Err() != nil: // we stop; the next start tries again
	case sallyport.KindOf(err) == sallyport.Denied:
		n.complete(ctx, d, refused)
		n.logger.ErrorContext(ctx, "notification refused by its receiver", append(d.attributes(), slog.Any("error", err))...)
	default:
		n.postpone(d, sallyport.AsError(err).RetryAfter)
		n.count(ctx, d, failed)
		n.logger.WarnContext(ctx, "notification not delivered", append(d.attributes(), slog.Any("error", err))...)
	}
}

// attributes name a delivery in the log.
func (d *delivery) attributes() []any {
	return []any{
		slog.String("call_id", d.CallID), slog.String("notification_id", d.ID), slog.String("kind", string(d.Kind)),
		slog.Int("failed_attempts", d.attempts),
	}
}

// complete ends a delivery.
func (n *notifier) complete(ctx context.Context, d *delivery, result string) {
	n.pending = slices.DeleteFunc(n.pending, func(o *delivery) bool { return o == d })
	n.completed = true
	n.count(ctx, d, result)
}

func (n *notifier) count(ctx context.Context, d *delivery, result string) {
	if n.Meter != nil {
		n.Meter.Notification(ctx, d.Kind, result)
	}
}

// resume makes everything due when an outage is over.
func (n *notifier) resume() {
	if n.outage >= outageAfter {
		for _, d := range n.pending {
			d.at = time.Time{}
		}
	}
	n.outage = 0
}

// postpone puts a delivery off for about twice as long as the last time, or,
// as the receiver may want it, all of them for longer.
func (n *notifier) postpone(d *delivery, retryAfter time.Duration) {
	now := n.Now()
	n.outage++
	wait := n.longest
	if d.attempts < 30 { // beyond, a shift would overflow
		wait = min(wait, n.first<<d.attempts)
	}
	d.attempts++
	d.at = now.Add(jitter(wait))
	if retryAfter > 0 {
		n.paused = now.Add(retryAfter)
	}
}

// jitter is a time between half of d and d, so that many gateways that lost
// one receiver don't come back to it all at once.
func jitter(d time.Duration) time.Duration {
	half := d / 2
	i, err := rand.Int(rand.Reader, big.NewInt(int64(half)+1))
	if err != nil {
		return d
	}
	return half + time.Duration(i.Int64())
}
