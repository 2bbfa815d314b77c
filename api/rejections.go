package api

import (
	"context"
	"log/slog"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"github.com/sallyport/sallyport"
)

// The rejection log records requests to vote by callers who are no people of the
// identity table: of an agent one refusal per call, and of unknown callers as many
// as these bounds allow.
const (
	maxUnknownCallers   = 100 // refusals on one call, about
	unknownCallersBurst = 20
	unknownCallersEvery = time.Second
	maxRecording        = 8 // at once
)

// rejectionLog records in the background, so that the time of a response does not
// show a caller whether the call exists. It drops what exceeds its bounds.
type rejectionLog struct {
	room           chan struct{}
	unknownCallers *rate.Limiter
}

func newRejectionLog() *rejectionLog {
	return &rejectionLog{make(chan struct{}, maxRecording), rate.NewLimiter(rate.Every(unknownCallersEvery), unknownCallersBurst)}
}

// wait returns when all that began to be recorded is, and lets nothing more begin.
func (d *rejectionLog) wait() {
	for range cap(d.room) {
		d.room <- struct{}{}
	}
}

// logRejection records that the caller of a request may not vote, if the request
// has a token.
func (s *Server) logRejection(c echo.Context, who sallyport.Identity, why error) {
	e := sallyport.AsError(why)
	token, err := bearer(c.Request().Header.Values(echo.HeaderAuthorization))
	id := c.Param("id")
	if err != nil || !sallyport.ValidCallID(id) || (e.Kind != sallyport.Unauthenticated && e.Code != sallyport.CodeNotAPerson) {
		return
	}
	select {
	case s.rejections.room <- struct{}{}:
	default:
		return
	}
	ctx, cancel := s.handover(c.Request().Context())
	go func() {
		defer func() { cancel(); <-s.rejections.room }()
		if err := s.recordRejection(ctx, id, token, who, e); err != nil {
			s.opts.Logger.ErrorContext(ctx, "could not record a rejected request to vote", slog.String("call_id", id), slog.Any("error", err))
		}
	}()
}

func (s *Server) recordRejection(ctx context.Context, id, token string, who sallyport.Identity, why *sallyport.Error) error {
	record, err := s.opts.Reader.Call(ctx, id)
	if err != nil || record.State != sallyport.StateAwaitingApproval {
		if sallyport.KindOf(err) == sallyport.NotFound {
			err = nil
		}
		return err
	}
	now := s.opts.Now().Round(0).UTC()
	key := "account/" + string(sallyport.NewDigest("sallyport/account/v1", []byte(who.Account.Issuer), []byte(who.Account.Subject)))
	if who.Agent == nil {
		if record.Refused >= maxUnknownCallers || !s.rejections.unknownCallers.AllowN(now, 1) {
			return nil
		}
		key = sallyport.Evidence{Class: sallyport.APIAttested, Token: token}.Key()
	}
	_, err = s.opts.Recorder.Record(ctx, sallyport.Entry{
		CallID: id, Kind: sallyport.EntryRefusal, Key: "api/" + key, At: now,
		Refusal: &sallyport.Refusal{
			Evidence: sallyport.Evidence{Class: sallyport.APIAttested}, Account: who.Account, Code: why.Code, Message: why.Message, At: now,
		},
	})
	return err
}
