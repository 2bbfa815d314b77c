package api

import (
	"context"
	_ "embed" // openapi.yaml
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/api/wire"
)

//go:embed openapi.yaml
var openAPIDocument []byte

// checkTime bounds all readiness checks together: one that uses it up leaves
// the server not ready, whatever the others would say.
const checkTime = 3 * time.Second

// healthy says that the process responds, and nothing more.
func (s *Server) healthy(c echo.Context, _ sallyport.Identity) error {
	return respond(c, http.StatusOK, statusView{Status: "ok"})
}

// remembered is how long an answer about readiness holds: the checks commit to
// the ledger, and the route takes no token.
const remembered = time.Second

// readiness is what the last checks found.
type readiness struct {
	mu     sync.Mutex
	at     time.Time
	failed []string
}

// ready says whether the server can take calls now. The response names the failed
// checks; their errors are only logged, because the route takes no token.
func (s *Server) ready(c echo.Context, _ sallyport.Identity) error {
	failed := s.failedChecks(c.Request().Context())
	if s.draining.Err() != nil {
		failed = append([]string{"stopping"}, failed...)
	}
	if len(failed) > 0 {
		return sallyport.Errorf(sallyport.Unavailable, sallyport.CodeNotReady, "not ready: %s", strings.Join(failed, ", "))
	}
	return respond(c, http.StatusOK, statusView{Status: "ready"})
}

// failedChecks are those that failed within the last second.
func (s *Server) failedChecks(ctx context.Context) []string {
	r := &s.readiness
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := s.opts.Now(); r.at.IsZero() || now.Sub(r.at) >= remembered || now.Before(r.at) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTime)
		defer cancel()
		r.failed, r.at = s.check(ctx), now
	}
	return slices.Clone(r.failed)
}

func (s *Server) check(ctx context.Context) []string {
	var failed []string
	for _, check := range s.opts.Ready {
		if err := check.Check(ctx); err != nil {
			s.opts.Logger.WarnContext(ctx, "readiness check failed", slog.String("check", check.Name), slog.Any("error", err))
			failed = append(failed, check.Name)
		}
	}
	return failed
}

// version says what the program was built from: a client compares it with its own.
func (s *Server) version(c echo.Context, _ sallyport.Identity) error {
	return respond(c, http.StatusOK, wire.BuiltFrom())
}

func (s *Server) metrics(c echo.Context, _ sallyport.Identity) error {
	s.opts.Metrics.ServeHTTP(c.Response(), c.Request())
	return nil
}

func (s *Server) openAPI(c echo.Context, _ sallyport.Identity) error {
	return c.Blob(http.StatusOK, "application/yaml", openAPIDocument) // RFC 9512
}
