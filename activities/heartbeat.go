package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/sallyport/sallyport"
)

// heartbeats shows that the activity lives, and where the call runs, and learns
// of its cancellation. Most calls end before the first is due, and cost Temporal
// none.
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
// stops, and not because a heartbeat was lost: the SDK cancels an activity
// whose heartbeat Temporal does not answer in time, and whoever stopped a run
// for that would kill everything whenever Temporal is slow. Such a run goes on
// within its own time limit. Its outcome is recorded, and another attempt finds
// it, or the run itself.
func whileWanted(ctx context.Context) (context.Context, func()) {
	wanted, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if cause := context.Cause(ctx); temporal.IsCanceledError(cause) || errors.Is(cause, context.Canceled) {
			cancel(cause)
		}
	})
	return wanted, func() { stop(); cancel(context.Canceled) }
}

// place says where a call runs, as far as its runner knows.
func (a *Activities) place(callID string) string {
	for _, r := range a.Runners {
		if k, ok := r.(sallyport.Keeper); ok {
			if place := k.Place(callID); place != "" {
				return place
			}
		}
	}
	return ""
}
