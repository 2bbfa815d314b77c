package ledger

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sallyport/sallyport"
)

// pollEvery is how often the database is read for entries of other processes
// while an Await is running.
const pollEvery = 50 * time.Millisecond

// Await implements [sallyport.Reader]. What this process appends wakes it at
// once.
func (l *Ledger) Await(ctx context.Context, id string, seen int) (sallyport.Record, error) {
	// The record is read even when ctx has ended: that is the contract.
	read := context.WithoutCancel(ctx)
	for {
		wake := l.watch.add(id, seen)
		r, err := l.Call(read, id)
		if err != nil || r.Entries > seen || ctx.Err() != nil {
			l.watch.remove(id, wake)
			return r, err
		}
		select {
		case <-wake.woken:
		case <-ctx.Done():
		case <-l.closing:
			l.watch.remove(id, wake)
			return r, errClosed()
		}
		l.watch.remove(id, wake)
	}
}

// poll wakes the waiters of calls to which other processes appended.
func (l *Ledger) poll(ctx context.Context) {
	for {
		select {
		case <-l.watch.begun:
		case <-l.closing:
			return
		}
		ticks := time.NewTicker(pollEvery)
		for l.watch.any() {
			select {
			case <-ticks.C:
				l.pollOnce(ctx)
			case <-l.closing:
				ticks.Stop()
				return
			}
		}
		ticks.Stop()
	}
}

func (l *Ledger) pollOnce(ctx context.Context) {
	var size, checkpoints int64
	var hash []byte
	err := l.db.QueryRowContext(ctx, sqlHead).Scan(&size, &hash, &checkpoints)
	for _, id := range l.watch.changed(size) {
		var entries int
		if err == nil {
			err = l.db.QueryRowContext(ctx, sqlEntries, id).Scan(&entries)
		}
		l.watch.grown(id, entries)
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		l.log.LogAttrs(ctx, slog.LevelWarn, "ledger not polled", slog.Any("error", err))
	}
}

// watch holds the waiters by call.
type watch struct {
	begun chan struct{} // has a value when a waiter was added

	mu      sync.Mutex
	size    int64 // of the log, when it was last read
	waiting map[string]map[*waiter]bool
	growth  chan struct{} // closed when this process appends; nil when no follower waits
}

type waiter struct {
	seen  int
	woken chan struct{} // has a value when the call has more entries than seen
}

func newWatch() *watch {
	return &watch{begun: make(chan struct{}, 1), waiting: map[string]map[*waiter]bool{}}
}

func (w *watch) add(id string, seen int) *waiter {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := &waiter{seen: seen, woken: make(chan struct{}, 1)}
	if w.waiting[id] == nil {
		w.waiting[id] = map[*waiter]bool{}
	}
	w.waiting[id][n] = true
	raise(w.begun)
	return n
}

func (w *watch) remove(id string, n *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.waiting[id], n)
	if len(w.waiting[id]) == 0 {
		delete(w.waiting, id)
	}
}

func (w *watch) any() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.waiting) > 0
}

// committed says that this process appended entries of some calls.
func (w *watch) committed(base, size int64, calls []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.size == base {
		w.size = size
	}
	if w.growth != nil && size > base {
		close(w.growth)
		w.growth = nil
	}
	for _, id := range calls {
		for n := range w.waiting[id] {
			raise(n.woken)
		}
	}
}

// grows returns a channel that is closed when this process appends.
func (w *watch) grows() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.growth == nil {
		w.growth = make(chan struct{})
	}
	return w.growth
}

// changed lists the calls that have waiters, if the log's size has changed
// since it was last read.
func (w *watch) changed(size int64) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.size == size {
		return nil
	}
	w.size = size
	return slices.Collect(maps.Keys(w.waiting))
}

// grown says how many entries a call has.
func (w *watch) grown(id string, entries int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for n := range w.waiting[id] {
		if entries > n.seen {
			raise(n.woken)
		}
	}
}

func raise(flag chan struct{}) {
	select {
	case flag <- struct{}{}:
	default:
	}
}
