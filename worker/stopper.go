package worker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/activities"
)

// StopOptions say how calls are ended that a freeze stops.
type StopOptions struct {
	// Ledger knows the freezes, and wakes whoever waits for it to grow.
	Ledger interface {
		sallyport.Recorder
		sallyport.Freezes
		AwaitSize(ctx context.Context, seen int64) (int64, error)
	}
	// Calls cancels a call's workflow.
	Calls interface {
		Cancel(ctx context.Context, callID string, by sallyport.Identity) error
	}
	Now func() time.Time
}

// How often freezes are looked for, at least and at most: whatever became of
// whoever was to stop a call, the next look does it.
const (
	lookAtLeast = time.Second
	lookAtMost  = 50 * time.Millisecond
	stopBatch   = 1000
)

// stopper ends the calls that a freeze stops. It remembers nothing: what holds,
// and what has not ended, stands in the ledger.
type stopper struct {
	StopOptions
	activities *activities.Activities
	logger     *slog.Logger
}

func newStopper(o Options) (*stopper, error) {
	if o.Stop.Ledger == nil || o.Stop.Calls == nil || o.Stop.Now == nil {
		return nil, errors.New("worker: all of Options.Stop is required")
	}
	return &stopper{StopOptions: o.Stop, activities: o.Activities, logger: o.Logger}, nil
}

// run ends calls until ctx ends.
func (s *stopper) run(ctx context.Context) error {
	seen := int64(-1)
	for ctx.Err() == nil {
		began := time.Now()
		wait, cancel := context.WithTimeout(ctx, lookAtLeast)
		size, err := s.Ledger.AwaitSize(wait, seen)
		cancel()
		if err == nil {
			seen = size
			err = s.stopAll(ctx)
		}
		if err != nil && ctx.Err() == nil {
			s.logger.ErrorContext(ctx, "not all that is frozen could be stopped yet", slog.Any("error", err))
		}
		select {
		case <-time.After(lookAtMost - time.Since(began)):
		case <-ctx.Done():
		}
	}
	return nil
}

// stopAll ends what the freezes stop that hold now. A call that can't be ended
// now doesn't keep the others from it.
func (s *stopper) stopAll(ctx context.Context) error {
	held, err := s.Ledger.Held(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range held {
		calls, err := s.Ledger.Stopped(ctx, f.Freeze, stopBatch)
		errs = append(errs, err)
		for _, c := range calls {
			errs = append(errs, s.stop(ctx, c, f.Freeze))
		}
	}
	return errors.Join(errs...)
}

// stop ends one call, wherever it is: its run at once if it is in this process,
// and its workflow, which reaches it in another one.
func (s *stopper) stop(ctx context.Context, c sallyport.Record, f sallyport.Freeze) error {
	id := c.Call.ID
	r, err := s.Ledger.Record(ctx, sallyport.Entry{
		CallID: id, Kind: sallyport.EntryStop, Key: "freeze/" + f.ID, At: s.Now().Round(0).UTC(),
		Stop: &sallyport.Stop{By: f.By, Freeze: f.ID, Reason: f.Reason},
	})
	if sallyport.KindOf(err) == sallyport.Conflict { // it has just ended
		return nil
	}
	if err != nil {
		return err
	}
	s.activities.StopRun(id)
	if !r.Repeated {
		s.logger.WarnContext(ctx, "a call is stopped by a freeze", slog.String("call_id", id), slog.String("freeze", f.ID))
	}
	// What was never handed over has no workflow, and can't start any more.
	if err := s.Calls.Cancel(ctx, id, sallyport.Identity{}); sallyport.KindOf(err) == sallyport.Unavailable {
		return err
	}
	return nil
}
