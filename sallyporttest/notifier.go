package sallyporttest

import (
	"context"
	"encoding/json"
	"slices"
	"sync"

	"github.com/sallyport/sallyport"
)

// Answer is how a receiver of notifications answers.
type Answer string

// The answers.
const (
	Takes   Answer = "takes"   // it is delivered
	Fails   Answer = "fails"   // not now
	Refuses Answer = "refuses" // never
)

// Taken is a notification that a receiver took.
type Taken struct{ ID, Content string }

// Inbox is a [sallyport.Notifier] and its receiver in one, with faults.
type Inbox struct {
	mu     sync.Mutex
	answer func(sallyport.Notification) error
	taken  []Taken
}

// Notify implements [sallyport.Notifier].
func (b *Inbox) Notify(ctx context.Context, n sallyport.Notification) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.answer != nil {
		if err := b.answer(n); err != nil {
			return err
		}
	}
	content, err := json.Marshal(n)
	b.taken = append(b.taken, Taken{n.ID, string(content)})
	return err
}

// Answer says how it answers from now on.
func (b *Inbox) Answer(a Answer) {
	switch a {
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

// Faults asks f what each notification is answered with; nil takes them all.
func (b *Inbox) Faults(f func(sallyport.Notification) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = f
}

// Taken is what it took, in order.
func (b *Inbox) Taken() []Taken {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.taken)
}
