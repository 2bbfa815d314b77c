package activities

import (
	"errors"

	"go.temporal.io/sdk/temporal"

	"github.com/sallyport/sallyport"
)

// forTemporal is the one place that says which errors Temporal retries: those of
// dependencies that are out of reach, and our own faults. The error's kind is the
// failure's type, and the error itself its detail. Temporal's SDK logs and traces
// it, so that it quotes none of the call's redacted arguments.
func forTemporal(call sallyport.Call, err error) error {
	if err == nil {
		return nil
	}
	e := sallyport.NewRedactor(call, sallyport.Redaction{}, sallyport.Obligations{}).Error(sallyport.AsError(err))
	return temporal.NewApplicationErrorWithOptions(e.Message, string(e.Kind), temporal.ApplicationErrorOptions{
		NonRetryable: e.Kind != sallyport.Unavailable && e.Kind != sallyport.Internal,
		Details:      []any{*e},
		Cause:        errors.Unwrap(e),
	})
}

// Cause finds the error that an activity returned in the error that a workflow
// gets. A step that ran out of time or attempts is Unavailable.
func Cause(err error) *sallyport.Error {
	if err == nil {
		return nil
	}
	if app, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		var e sallyport.Error
		if app.HasDetails() && app.Details(&e) == nil && e.Kind != "" {
			return &e
		}
		return sallyport.Errorf(sallyport.Internal, sallyport.CodeInternal, "internal error")
	}
	if temporal.IsTimeoutError(err) {
		return sallyport.Errorf(sallyport.Unavailable, sallyport.CodeUnavailable, "a step of the call did not finish in time")
	}
	return sallyport.AsError(err)
}
