package gateway

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sallyport/sallyport"
)

// How often freezes are looked for, at least and at most: whatever became of
// whoever was to stop a call, the next look does it.
const (
	lookAtLeast = time.Second
	lookAtMost  = 50 * time.Millisecond
	stopBatch   = 1000
)

// stopper finds the calls that freezes stop and that have not ended. It
// remembers nothing: what holds, and what has not ended, stands in the ledger.
//
// The API has one that cancels workflows, which the worker may not; the worker
// has one that kills the runs of its process, of which the API knows nothing.
type stopper struct {
	ledger interface {
		sallyport.Freezes
		AwaitSize(ctx context.Context, seen int64) (int64, error)
	}
	stop   func(context.Context, sallyport.Record, sallyport.Freeze) error
	logger *slog.Logger
}

// run stops calls until ctx ends.
func (s *stopper) run(ctx context.Context) {
	seen := int64(-1)
	for ctx.Err() == nil {
		began := time.Now()
		wait, cancel := context.WithTimeout(ctx, lookAtLeast)
		size, err := s.ledger.AwaitSize(wait, seen)
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
}

// stopAll stops what the freezes stop that hold now. A call that can't be
// stopped now doesn't keep the others from it.
func (s *stopper) stopAll(ctx context.Context) error {
	held, err := s.ledger.Held(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range held {
		calls, err := s.ledger.Stopped(ctx, f.Freeze, stopBatch)
		errs = append(errs, err)
		for _, c := range calls {
			errs = append(errs, s.stop(ctx, c, f.Freeze))
		}
	}
	return errors.Join(errs...)
}
