package activities

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"
)

// TestWhileWanted: a run stops because its call is cancelled or the worker ends,
// and not because Temporal is slow.
func TestWhileWanted(t *testing.T) {
	for name, tt := range map[string]struct {
		reason string
		cause  error
		ends   bool
	}{
		"Cancelled": {"the call is cancelled", temporal.NewCanceledError(), true},
		"Stopping":  {"the worker ends", context.Canceled, true},
		"Slow":      {"Temporal did not respond to a heartbeat in time", context.DeadlineExceeded, false},
		"Away":      {"Temporal is being restarted", serviceerror.NewUnavailable("away"), false},
		"GivenUp":   {"another attempt is under way: it adopts what this one has begun", serviceerror.NewNotFound("no such task"), false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				wanted, done := whileWanted(ctx)
				defer done()
				cancel(tt.cause)
				synctest.Wait()
				if ended := wanted.Err() != nil; ended != tt.ends || ended && !errors.Is(context.Cause(wanted), tt.cause) {
					t.Errorf("the run ends: %t (%v), want %t: %s", ended, context.Cause(wanted), tt.ends, tt.reason)
				}
			})
		})
	}
}

// TestWhileWantedIsDone: a context that is done with holds nothing.
func TestWhileWantedIsDone(t *testing.T) {
	wanted, done := whileWanted(t.Context())
	done()
	<-wanted.Done()
}
