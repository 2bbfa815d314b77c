package gateway

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sallyport/sallyport"
)

// How often a stopper reads freezes, at least and at most. If a process dies
// before it stops a call, the next read of another one stops it.
const (
	lookAtLeast = time.Second
	lookAtMost  = 50 * time.Millisecond
	stopBatch   = 1000
)

// stopper finds open calls that freezes stop. It holds no state: the ledger has
// the freezes and the open calls.
//
// The API's stopper cancels workflows, which the worker may not do. The worker's
// kills the runs of its own process.
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
			s.logger.ErrorContext(ctx, "could not stop all frozen calls; the gateway will retry", slog.Any("error", err))
		}
		select {
		case <-time.After(lookAtMost - time.Since(began)):
		case <-ctx.Done():
		}
	}
}

// stopAll stops the calls of all freezes that hold. An error with one call does
// not keep it from the others.
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
			errs = append(errs, s.stop(ctx, c.Record, f.Freeze))
		}
	}
	return errors.Join(errs...)
}
