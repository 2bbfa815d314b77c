package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport"
)

func (s *Server) cancel(c echo.Context, who sallyport.Identity) error {
	record, err := s.cancelCall(c, who, c.Param("id"))
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, callPath(record.Call.ID))
	if !record.State.Final() {
		c.Response().Header().Set(echo.HeaderRetryAfter, retrySeconds(record.State))
	}
	return respond(c, http.StatusAccepted, s.view(record))
}

// cancelCall stops a call in any state. A call whose tool runs ends with the
// outcome of the run.
func (s *Server) cancelCall(c echo.Context, who sallyport.Identity, id string) (sallyport.Record, error) {
	record, err := s.find(c, who, id)
	switch {
	case err != nil:
		return record, err
	case who.Agent == nil && !s.operates(who):
		return record, about(id, sallyport.Errorf(sallyport.Denied, sallyport.CodeNotAnOperator, "its agent and operators may cancel a call"))
	case record.State.Final():
		return record, about(id, ended(record.State))
	}
	if err := s.stop(c.Request().Context(), record, who); err != nil {
		return record, about(id, err)
	}
	if record, err = s.opts.Reader.Call(c.Request().Context(), id); err != nil {
		return record, about(id, err)
	}
	return record, nil
}

func ended(s sallyport.State) error {
	return sallyport.Errorf(sallyport.Conflict, sallyport.CodeEnded, "the call has ended as %s", s)
}

func (s *Server) stop(ctx context.Context, r sallyport.Record, who sallyport.Identity) error {
	ctx, cancel := s.handover(ctx)
	defer cancel()
	// The stop is in the ledger before the workflow is cancelled. From then on the
	// call can't start.
	_, err := s.opts.Recorder.Record(ctx, sallyport.Entry{
		CallID: r.Call.ID, Kind: sallyport.EntryStop, Key: "by/" + identityID(who), At: s.opts.Now().Round(0).UTC(),
		Stop: &sallyport.Stop{By: identityID(who)},
	})
	if err != nil {
		return err
	}
	err = s.opts.Calls.Cancel(ctx, r.Call.ID, who)
	if sallyport.KindOf(err) != sallyport.NotFound {
		return err
	}
	// It was received and never handed over. Once the ledger holds its end,
	// it can't be any more.
	now := s.opts.Now().Round(0).UTC()
	receipt, err := s.opts.Recorder.Record(ctx, sallyport.Outcome{
		State: sallyport.StateCancelled, FinishedAt: now,
		Error: &sallyport.Failure{Code: sallyport.CodeCancelled, Message: "cancelled by " + identityID(who) + " before it was handed over"},
	}.Entry(r.Call.ID, now))
	if err == nil && receipt.Repeated && receipt.Entry.Outcome != nil {
		return ended(receipt.Entry.Outcome.State)
	}
	return err
}
