package worker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/activities"
)

// SweepOptions say how to find calls that lost their workflow.
type SweepOptions struct {
	// Ledger lists, oldest first, calls that have not ended and whose last
	// entry is later than after and earlier than before.
	Ledger interface {
		Sweepable(ctx context.Context, after, before time.Time, limit int) ([]sallyport.Record, error)
	}
	// Workflows tells whether a call's workflow runs, and else why not.
	Workflows interface {
		Running(ctx context.Context, callID string) (bool, string, error)
	}
	Now func() time.Time
	// Every is how often to look.
	Every time.Duration
	// Grace is how long a call may rest before it is looked at. It must be
	// longer than the time between the API's record and the start of the
	// workflow.
	Grace time.Duration
	// RunGrace is how long a started run may rest: longer than any tool's
	// timeout, so that no worker still runs it.
	RunGrace time.Duration
}

// sweepBatch bounds how many calls one sweep looks at: however many wait for
// approval, a sweep costs the same and all get their turn.
const sweepBatch = 100

type sweeper struct {
	SweepOptions
	activities *activities.Activities
	logger     *slog.Logger
	after      time.Time // the last entry of the call that the last sweep ended with
}

func newSweeper(o Options) (*sweeper, error) {
	s := o.Sweep
	if s.Ledger == nil || s.Workflows == nil || s.Now == nil || s.Every <= 0 || s.Grace <= 0 || s.RunGrace <= 0 {
		return nil, errors.New("worker: all of Options.Sweep is required")
	}
	return &sweeper{SweepOptions: s, activities: o.Activities, logger: o.Logger}, nil
}

// run sweeps until ctx ends.
func (s *sweeper) run(ctx context.Context) error {
	tick := time.NewTicker(s.Every)
	defer tick.Stop()
	for {
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.logger.WarnContext(ctx, "could not sweep calls that lost their workflow; the sweeper will retry", slog.Any("error", err))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// sweep ends those calls of the next batch whose workflow is gone. A call that
// can't be ended now doesn't keep the others from it.
func (s *sweeper) sweep(ctx context.Context) error {
	records, err := s.Ledger.Sweepable(ctx, s.after, s.Now().Add(-s.Grace), sweepBatch)
	if err != nil {
		return err
	}
	s.after = time.Time{}
	if len(records) == sweepBatch {
		s.after = records[len(records)-1].UpdatedAt
	}
	var errs []error
	for _, rec := range records {
		errs = append(errs, s.look(ctx, rec))
	}
	return errors.Join(errs...)
}

func (s *sweeper) look(ctx context.Context, rec sallyport.Record) error {
	if rec.Start != nil && s.Now().Sub(rec.StartedAt) < s.RunGrace {
		return nil
	}
	running, why, err := s.Workflows.Running(ctx, rec.Call.ID)
	if err != nil || running {
		return err
	}
	end, err := s.activities.Lost(ctx, rec, why)
	if err != nil {
		return err
	}
	s.logger.WarnContext(ctx, "ended a call that had lost its workflow", slog.String("call_id", rec.Call.ID),
		slog.String("why", why), slog.String("state", string(end.State)))
	return nil
}
