package sallyporttest

import (
	"context"
	"encoding/json"
	"slices"
	"sync"

	"github.com/sallyport/sallyport"
)

// Response is how a receiver responds to notifications.
type Response string

// The responses.
const (
	Takes   Response = "takes"   // it accepts the notification
	Fails   Response = "fails"   // it fails; a later attempt may succeed
	Refuses Response = "refuses" // it never accepts the notification
)

// Taken is a notification that a receiver accepted.
type Taken struct{ ID, Content string }

// Inbox is a [sallyport.Notifier] and its receiver in one, with faults.
type Inbox struct {
	mu    sync.Mutex
	fault func(sallyport.Notification) error
	taken []Taken
}

// Notify implements [sallyport.Notifier].
func (b *Inbox) Notify(ctx context.Context, n sallyport.Notification) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fault != nil {
		if err := b.fault(n); err != nil {
			return err
		}
	}
	content, err := json.Marshal(n)
	b.taken = append(b.taken, Taken{n.ID, string(content)})
	return err
}

// Respond sets how it responds from now on.
func (b *Inbox) Respond(r Response) {
	switch r {
	case Takes:
		b.Faults(nil)
	case Fails:
		b.Faults(func(sallyport.Notification) error {
			return sallyport.Errorf(sallyport.Unavailable, "receiver_failed", "the receiver failed")
		})
	case Refuses:
		b.Faults(func(sallyport.Notification) error {
			return sallyport.Errorf(sallyport.Denied, "receiver_refused", "the receiver refused")
		})
	}
}

// Faults makes each notification fail with the error that f returns for it; nil
// accepts all.
func (b *Inbox) Faults(f func(sallyport.Notification) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fault = f
}

// Taken are the notifications that it accepted, in order.
func (b *Inbox) Taken() []Taken {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.taken)
}
