package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport"
)

// quiet is how long a stream of events may say nothing: then it says so, for
// proxies that cut what seems dead.
const quiet = 15 * time.Second

// events streams a call, as server-sent events: as it is, and again after each step
// in the ledger, until it has ended. A stream is a request that waits: it ends
// after the longest wait, and the client goes on with a new one after the event
// that it got last.
func (s *Server) events(c echo.Context, who sallyport.Identity) error {
	record, err := s.find(c, who, c.Param("id"))
	if err != nil {
		return err
	}
	ctx, end, ok := s.waiting(c, s.opts.MaxWait)
	if !ok {
		return exchangeOf(c).turn.share.refusal(time.Second, "too many requests wait for calls")
	}
	defer end()
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	if _, err := fmt.Fprintf(c.Response(), "retry: %d\n\n", time.Second.Milliseconds()); err != nil {
		return nil
	}
	seen, _ := strconv.Atoi(c.Request().Header.Get("Last-Event-ID")) // 0, and the call as it is, for anything else
	if err := s.stream(ctx, c, record, seen); err != nil {
		s.logLost(c, record.Call.ID, err) // the client comes again, if it has not gone
	}
	return nil
}

// stream writes a call after each step that the client has not seen.
func (s *Server) stream(ctx context.Context, c echo.Context, record sallyport.Record, seen int) error {
	for {
		var err error
		if record.Entries > seen {
			err = s.event(c, record)
		} else {
			_, err = fmt.Fprint(c.Response(), ": nothing new\n\n")
		}
		c.Response().Flush()
		if err != nil || record.State.Final() || ctx.Err() != nil || c.Request().Method == http.MethodHead {
			return err
		}
		seen = max(seen, record.Entries)
		if record, err = s.awaitStep(ctx, record, seen); err != nil {
			return err
		}
	}
}

// awaitStep waits for the call's next step, and not for long.
func (s *Server) awaitStep(ctx context.Context, record sallyport.Record, seen int) (sallyport.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, quiet)
	defer cancel()
	return s.opts.Reader.Await(ctx, record.Call.ID, max(seen, record.Entries))
}

// event writes a call as one event, whose id is the number of its steps.
func (s *Server) event(c echo.Context, record sallyport.Record) error {
	data, err := encode(s.view(record))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Response(), "event: call\nid: %d\ndata: %s\n", record.Entries, data)
	return err
}
