package api

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport"
)

// wait is how long a client prefers to wait (RFC 7240), or otherwise. The
// header Preference-Applied says so where the client preferred anything; one
// that we can't make sense of is ignored, as the RFC demands.
func (s *Server) wait(c echo.Context, otherwise time.Duration) time.Duration {
	otherwise = min(otherwise, s.opts.MaxWait)
	seconds, ok := preferredSeconds(c.Request().Header.Values("Prefer"))
	if !ok {
		return otherwise
	}
	applied := min(seconds, int(s.opts.MaxWait/time.Second))
	c.Response().Header().Set("Preference-Applied", fmt.Sprintf("wait=%d", applied))
	return time.Duration(applied) * time.Second
}

// preferredSeconds is the first wait preference; the RFC ignores later ones.
func preferredSeconds(headers []string) (int, bool) {
	for preference := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		preference, _, _ = strings.Cut(preference, ";")
		name, value, _ := strings.Cut(preference, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		n, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31)
		return int(n), err == nil
	}
	return 0, false
}

// await returns the call's record as soon as its state is done, or as it is
// when the time is over, the client has gone or the server is stopping. With
// an error goes the record as far as it is known.
func (s *Server) await(c echo.Context, record sallyport.Record, n time.Duration, done func(sallyport.State) bool) (sallyport.Record, error) {
	return s.follow(c, record, n, done, nil)
}

// follow awaits and, unless report is nil, reports the record before each step
// and every few seconds.
func (s *Server) follow(c echo.Context, record sallyport.Record, n time.Duration, done func(sallyport.State) bool, report func(sallyport.Record)) (sallyport.Record, error) {
	if n == 0 || done(record.State) {
		return s.refresh(c.Request().Context(), record)
	}
	ctx, end, ok := s.waiting(c, n)
	if !ok { // the answer says when to ask again
		return s.refresh(c.Request().Context(), record)
	}
	defer end()
	for !done(record.State) && ctx.Err() == nil {
		next, err := s.step(ctx, record, report)
		if err != nil {
			return record, err
		}
		record = next
	}
	return record, nil
}

// waiting makes the request one that waits for a call, until ctx ends: when the
// time is over, the client has gone or the server is stopping. The caller ends it.
// It reports whether the sender may have one more of these.
func (s *Server) waiting(c echo.Context, n time.Duration) (ctx context.Context, end func(), ok bool) {
	wake, ok := exchangeOf(c).turn.rest()
	if !ok {
		return nil, nil, false
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), n)
	stop := context.AfterFunc(s.draining, cancel)
	return ctx, func() {
		stop()
		cancel()
		wake()
	}, true
}

// step awaits the call's next entry.
func (s *Server) step(ctx context.Context, record sallyport.Record, report func(sallyport.Record)) (sallyport.Record, error) {
	if report != nil {
		report(record)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, progressEvery)
		defer cancel()
	}
	return s.opts.Reader.Await(ctx, record.Call.ID, record.Entries)
}

func (s *Server) refresh(ctx context.Context, record sallyport.Record) (sallyport.Record, error) {
	if record.State.Final() {
		return record, nil
	}
	now, err := s.opts.Reader.Call(ctx, record.Call.ID)
	if err != nil {
		return record, err
	}
	return now, nil
}
