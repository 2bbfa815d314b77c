package api

import (
	"net/http"
	"sync"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport"
)

// meter is the response to one message by MCP. The SDK answers malformed messages by
// itself and notifications before it has read them: what drew from no share until
// its answer costs a read, or gets a refusal for an answer.
type meter struct {
	http.ResponseWriter

	door    *door
	once    sync.Once
	refused error
}

// paid reports whether the SDK's answer may be written.
func (m *meter) paid() bool {
	m.once.Do(func() {
		if !m.door.drew.Load() {
			m.refused = m.door.charge(m.door.c, m.door.who)
		}
	})
	return m.refused == nil
}

// WriteHeader implements [http.ResponseWriter].
func (m *meter) WriteHeader(status int) {
	if m.paid() {
		m.ResponseWriter.WriteHeader(status)
	}
}

// Write implements [http.ResponseWriter].
func (m *meter) Write(b []byte) (int, error) {
	if !m.paid() {
		return len(b), nil
	}
	return m.ResponseWriter.Write(b)
}

// FlushError is how an [http.ResponseController] flushes.
func (m *meter) FlushError() error {
	if !m.paid() {
		return nil
	}
	return http.NewResponseController(m.ResponseWriter).Flush()
}

// Unwrap leaves the rest to the response below.
func (m *meter) Unwrap() http.ResponseWriter { return m.ResponseWriter }

// charge takes a read from the share of a sender whose message reached no operation.
func (s *Server) charge(c echo.Context, who sallyport.Identity) error {
	mine, err := s.limiter.take(c.Request().Context(), identityKey(who), toRead, costOne)
	if err == nil {
		mine.end()
	}
	return err
}
