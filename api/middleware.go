package api

import (
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport"
)

// exchange holds what the access log says of a request. It never holds tokens,
// bodies or query strings.
type exchange struct {
	requestID string
	identity  string
	callID    string
	turn      *turn // nil without a token
}

const exchangeKey = "sallyport.exchange"

// exchangeOf is the request's exchange, which observe made.
func exchangeOf(c echo.Context) *exchange {
	if x, ok := c.Get(exchangeKey).(*exchange); ok {
		return x
	}
	return &exchange{}
}

// observe gives the request an id, calls the handler, and logs the request.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		x := &exchange{requestID: s.requestID()}
		c.Set(exchangeKey, x)
		c.Response().Header().Set(echo.HeaderXRequestID, x.requestID)
		c.Request().Pattern = c.Path() // by which traces and metrics name the route
		if err := next(c); err != nil {
			s.fail(err, c)
		}
		attrs := []slog.Attr{
			slog.String("request_id", x.requestID),
			slog.String("method", c.Request().Method),
			slog.String("route", c.Path()),
			slog.Int("status", c.Response().Status),
			slog.Duration("duration", time.Since(start)),
		}
		if x.identity != "" {
			attrs = append(attrs, slog.String("identity", x.identity))
		}
		if x.callID != "" {
			attrs = append(attrs, slog.String("call_id", x.callID))
			trace.SpanFromContext(c.Request().Context()).SetAttributes(attribute.String("sallyport.call_id", x.callID))
		}
		s.opts.Logger.LogAttrs(c.Request().Context(), slog.LevelInfo, "request answered", attrs...)
		return nil
	}
}

// requestID is random, never the client's: an agent must not be able to make
// its requests look like another's in the log.
func (s *Server) requestID() string {
	var b [8]byte
	if _, err := io.ReadFull(s.opts.Random, b[:]); err != nil {
		return ""
	}
	return hex.EncodeToString(b[:])
}

// protect keeps responses out of caches, and browsers from guessing their type.
func protect(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set(echo.HeaderCacheControl, "no-store")
		h.Set(echo.HeaderXContentTypeOptions, "nosniff")
		return next(c)
	}
}

// recoverPanic makes an internal error of a panic in a handler.
func (s *Server) recoverPanic(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			r := recover()
			if r == nil {
				return
			}
			if e, ok := r.(error); ok && errors.Is(e, http.ErrAbortHandler) {
				panic(r) // net/http's own way to drop a connection
			}
			err = s.panicked(c, r)
		}()
		return next(c)
	}
}

// panicked logs what a handler panicked with, and is the error that is left of it.
func (s *Server) panicked(c echo.Context, with any) error {
	s.opts.Logger.ErrorContext(c.Request().Context(), "handler panicked",
		slog.String("request_id", exchangeOf(c).requestID), slog.Any("panic", with), slog.String("stack", string(debug.Stack())))
	return sallyport.Errorf(sallyport.Internal, sallyport.CodeInternal, "a handler panicked")
}
