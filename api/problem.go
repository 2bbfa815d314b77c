package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/api/wire"
)

// retryLater is when to try again where the error does not say.
const retryLater = 5 * time.Second

// kindAmbiguous is the one kind of problem that is no kind of error: the call may
// have had its effect, and a second call could have it twice.
const kindAmbiguous sallyport.Kind = "ambiguous"

// problem is an error as the caller gets it, and when to try again.
type problem struct {
	wire.Problem

	retryAfter time.Duration
}

func newProblem(kind sallyport.Kind, status int, code, detail string) *problem {
	return &problem{Problem: wire.Problem{
		Type: "urn:sallyport:problem:" + string(kind), Title: titleOf(kind), Status: status, Code: code, Detail: detail,
	}}
}

// problemOf is an error as the caller sees it.
func problemOf(err error) *problem {
	if h, ok := errors.AsType[*echo.HTTPError](err); ok {
		return routingProblem(h)
	}
	e := sallyport.AsError(err)
	if e.Kind == sallyport.Internal && errors.Is(err, context.DeadlineExceeded) {
		e = &sallyport.Error{Kind: sallyport.Unavailable, Code: sallyport.CodeTimedOut, CallID: e.CallID, Err: err}
	}
	kind, status := classify(e)
	p := newProblem(kind, status, e.Code, detailOf(e))
	p.Errors, p.Reasons, p.CallID, p.retryAfter = e.Fields, e.Reasons, e.CallID, e.RetryAfter
	if p.Code == "" {
		p.Code = string(e.Kind)
	}
	if p.Status == http.StatusServiceUnavailable && p.retryAfter == 0 {
		p.retryAfter = retryLater
	}
	return p
}

// routingProblem is an error of the router.
func routingProblem(h *echo.HTTPError) *problem {
	switch h.Code {
	case http.StatusNotFound:
		return newProblem(sallyport.NotFound, h.Code, sallyport.CodeNoRoute, "there is no route at this path; /openapi.yaml lists the routes")
	case http.StatusMethodNotAllowed:
		return newProblem(sallyport.Invalid, h.Code, sallyport.CodeMethodNotAllowed, "this path does not take this method; the Allow header says which it takes")
	default:
		return newProblem(sallyport.Internal, http.StatusInternalServerError, sallyport.CodeInternal, internalDetail)
	}
}

const internalDetail = "internal error; the gateway's log has the cause under the X-Request-Id of this response"

// detailOf is an error's message if it is for the caller. That of an internal
// error is for operators.
func detailOf(e *sallyport.Error) string {
	switch {
	case e.Kind == sallyport.Internal:
		return internalDetail
	case e.Kind == sallyport.Unavailable && e.Err != nil && e.Code != sallyport.CodeNotStarted:
		return "a service that the gateway needs is out of reach; try again later"
	default:
		return e.Message
	}
}

// classify gives an error the kind and the status that it is shown with: by
// its code where the contract has one for it, by its kind otherwise.
func classify(e *sallyport.Error) (sallyport.Kind, int) {
	switch e.Code {
	case sallyport.CodeTooLarge:
		return sallyport.Invalid, http.StatusRequestEntityTooLarge
	case sallyport.CodeUnsupportedMediaType:
		return sallyport.Invalid, http.StatusUnsupportedMediaType
	case sallyport.CodeRateLimited, sallyport.CodeTooManyRunning, sallyport.CodeTooManyWaiting, sallyport.CodeTooManyBytes, sallyport.CodeOverloaded:
		return sallyport.Unavailable, http.StatusTooManyRequests
	case sallyport.CodeUnknownTool:
		return sallyport.NotFound, http.StatusNotFound
	case sallyport.CodeInvalidArguments, sallyport.CodeOtherBallot, sallyport.CodeBadEvidence:
		return sallyport.Invalid, http.StatusUnprocessableEntity
	case sallyport.CodeIdempotencyMismatch:
		return sallyport.Conflict, http.StatusUnprocessableEntity
	case sallyport.CodeNotAPerson, sallyport.CodeNotEligible, sallyport.CodeOwnAgent, sallyport.CodeEvidenceTooWeak:
		return sallyport.Denied, http.StatusForbidden
	case sallyport.CodeNotWaiting, sallyport.CodeAlreadyVoted:
		return sallyport.Conflict, http.StatusConflict
	}
	return e.Kind, statusOfKind(e.Kind)
}

func statusOfKind(k sallyport.Kind) int {
	switch k {
	case sallyport.Invalid:
		return http.StatusBadRequest
	case sallyport.Unauthenticated:
		return http.StatusUnauthorized
	case sallyport.Denied, sallyport.Frozen:
		return http.StatusForbidden
	case sallyport.Conflict:
		return http.StatusConflict
	case sallyport.NotFound:
		return http.StatusNotFound
	case sallyport.Unavailable:
		return http.StatusServiceUnavailable
	case sallyport.Internal:
		return http.StatusInternalServerError
	default:
		return http.StatusInternalServerError
	}
}

func titleOf(k sallyport.Kind) string {
	switch k {
	case sallyport.Invalid:
		return "Invalid request"
	case sallyport.Unauthenticated:
		return "Authentication required"
	case sallyport.Denied:
		return "Denied"
	case sallyport.Conflict:
		return "Conflict with the call's state"
	case sallyport.NotFound:
		return "Not found"
	case sallyport.Frozen:
		return "Stopped by a freeze"
	case sallyport.Unavailable:
		return "Try again later"
	case kindAmbiguous:
		return "Outcome unknown: the call may have had its effect"
	case sallyport.Internal:
		return "Internal error"
	default:
		return "Internal error"
	}
}

// outcomeProblem is the response to a submission whose call ended without a run or
// as ambiguous; nil for every other call.
func outcomeProblem(r sallyport.Record) *problem {
	if r.Outcome == nil {
		return nil
	}
	why := r.Outcome.Error
	if why == nil {
		why = &sallyport.Failure{Code: string(r.State), Message: "the call ended as " + string(r.State)}
	}
	var p *problem
	switch r.State {
	case sallyport.StateDenied, sallyport.StateRejected, sallyport.StateExpired:
		p = newProblem(sallyport.Denied, http.StatusForbidden, why.Code, why.Message)
		if why.Code == sallyport.CodeFrozen {
			p = newProblem(sallyport.Frozen, http.StatusForbidden, why.Code, why.Message)
		}
	case sallyport.StateCancelled:
		if why.Code == sallyport.CodeUnavailable { // not stopped by a caller: a service was out of reach
			p = newProblem(sallyport.Unavailable, http.StatusServiceUnavailable, why.Code, why.Message)
			p.retryAfter = retryLater
			break
		}
		p = newProblem(sallyport.Conflict, http.StatusConflict, why.Code, why.Message)
	case sallyport.StateAmbiguous:
		p = newProblem(kindAmbiguous, http.StatusBadGateway, why.Code, why.Message)
	case sallyport.StateInvalid:
		p = malformedProblem(why)
	case sallyport.StateSucceeded, sallyport.StateFailed, sallyport.StatePending, sallyport.StateAwaitingApproval, sallyport.StateRunning:
		return nil
	default:
		p = newProblem(sallyport.Internal, http.StatusInternalServerError, sallyport.CodeInternal, internalDetail)
	}
	p.Errors, p.Reasons, p.CallID = why.Fields, reasonsOf(r, why), r.Call.ID
	if d := r.Decision; d != nil && d.Effect == sallyport.Deny && r.State == sallyport.StateDenied {
		p.Hint = d.Hint
	}
	return p
}

func malformedProblem(why *sallyport.Failure) *problem {
	if why.Code == sallyport.CodeUnknownTool {
		return newProblem(sallyport.NotFound, http.StatusNotFound, why.Code, why.Message)
	}
	return newProblem(sallyport.Invalid, http.StatusUnprocessableEntity, why.Code, why.Message)
}

// reasonsOf are the outcome's reasons, or else policy's, or those of the people
// who rejected the call.
func reasonsOf(r sallyport.Record, why *sallyport.Failure) []sallyport.Reason {
	switch {
	case len(why.Reasons) > 0:
		return why.Reasons
	case r.State == sallyport.StateDenied && r.Decision != nil:
		return r.Decision.Reasons
	case r.State != sallyport.StateRejected:
		return nil
	}
	var reasons []sallyport.Reason
	for _, v := range r.Votes {
		if v.Verdict == sallyport.Reject {
			reasons = append(reasons, sallyport.Reason{Code: sallyport.CodeRejected, Message: strings.TrimSuffix(v.Person+": "+v.Reason, ": ")})
		}
	}
	return reasons
}

// about says which call an error is about.
func about(callID string, err error) error {
	e := *sallyport.AsError(err)
	e.CallID = callID
	return &e
}

// fail responds with an error as a problem, and logs the gateway's own faults.
func (s *Server) fail(err error, c echo.Context) {
	ctx := c.Request().Context()
	hungUp := errors.Is(err, context.Canceled) && ctx.Err() != nil
	if hungUp {
		err = &sallyport.Error{Kind: sallyport.Unavailable, Code: sallyport.CodeHungUp, Message: "the client hung up", Err: err}
	}
	p := problemOf(err)
	if !hungUp {
		s.logFault(c, err)
	}
	if c.Response().Committed {
		return
	}
	if challenge := s.challenge(c.Path(), p); challenge != "" {
		c.Response().Header().Set(echo.HeaderWWWAuthenticate, challenge)
	}
	if err := p.write(c); err != nil {
		s.opts.Logger.DebugContext(ctx, "problem not delivered", slog.Any("error", err))
	}
}

// logFault logs an error if it is the gateway's own fault.
func (s *Server) logFault(c echo.Context, err error) {
	p := problemOf(err)
	if p.Status < http.StatusInternalServerError {
		return
	}
	attrs := []any{slog.String("request_id", exchangeOf(c).requestID), slog.String("code", p.Code), slog.Any("error", err)}
	if cause := errors.Unwrap(sallyport.AsError(err)); cause != nil {
		attrs = append(attrs, slog.Any("cause", cause))
	}
	s.opts.Logger.ErrorContext(c.Request().Context(), "request failed", attrs...)
}

// write sends the problem.
func (p *problem) write(c echo.Context) error {
	h := c.Response().Header()
	if p.Status == http.StatusRequestEntityTooLarge {
		h.Set(echo.HeaderConnection, "close") // the rest of the body stays unread
	}
	if p.retryAfter > 0 {
		h.Set(echo.HeaderRetryAfter, strconv.Itoa(seconds(p.retryAfter)))
	}
	return send(c, p.Status, "application/problem+json", p)
}
