package activities

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/sallyport/sallyport"
)

// heartbeats tells Temporal that the activity lives and where the call runs, and
// learns of its cancellation. Most calls end before the first one is due.
func (a *Activities) heartbeats(ctx context.Context, callID string) (stop func()) {
	done := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(a.HeartbeatEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				activity.RecordHeartbeat(ctx, a.place(callID))
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-stopped }
}

// whileWanted is a context that ends when the call is cancelled or the worker
// stops, and not because a heartbeat was lost. The SDK cancels an activity
// whose heartbeat Temporal does not acknowledge in time; to stop runs for that
// would kill all of them whenever Temporal is slow. Such a run goes on within
// its own time limit. Its outcome is recorded, and another attempt finds it, or
// the run itself.
func whileWanted(ctx context.Context) (context.Context, func()) {
	wanted, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if cause := context.Cause(ctx); temporal.IsCanceledError(cause) || errors.Is(cause, context.Canceled) {
			cancel(cause)
		}
	})
	return wanted, func() { stop(); cancel(context.Canceled) }
}

// runs are those of this process, by call. A call has more than one where an
// attempt goes on that Temporal has given up.
type runs struct {
	mu   sync.Mutex
	stop map[string]map[*context.CancelFunc]bool
}

// begin is a context that [Activities.StopRun] ends.
func (r *runs) begin(ctx context.Context, callID string) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stop == nil {
		r.stop = map[string]map[*context.CancelFunc]bool{}
	}
	if r.stop[callID] == nil {
		r.stop[callID] = map[*context.CancelFunc]bool{}
	}
	r.stop[callID][&cancel] = true
	return ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.stop[callID], &cancel)
		if len(r.stop[callID]) == 0 {
			delete(r.stop, callID)
		}
		cancel()
	}
}

// StopRun stops a call's run if it is in this process: sooner than Temporal
// tells it of the call's cancellation in the response to its next heartbeat.
func (a *Activities) StopRun(callID string) {
	a.runs.mu.Lock()
	defer a.runs.mu.Unlock()
	for stop := range a.runs.stop[callID] {
		(*stop)()
	}
}

// place says where a call runs, as far as its runner knows.
func (a *Activities) place(callID string) string {
	for _, r := range a.Runners {
		if k, ok := r.(sallyport.Resumable); ok {
			if place := k.Place(callID); place != "" {
				return place
			}
		}
	}
	return ""
}
