package api

import (
	"context"
	_ "embed" // openapi.yaml
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport"
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

// ready says whether the server can take calls now. The response names the failed
// checks; their errors are only logged, because the route takes no token.
func (s *Server) ready(c echo.Context, _ sallyport.Identity) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), checkTime)
	defer cancel()
	failed := s.failedChecks(ctx)
	if len(failed) > 0 {
		return sallyport.Errorf(sallyport.Unavailable, sallyport.CodeNotReady, "not ready: %s", strings.Join(failed, ", "))
	}
	return respond(c, http.StatusOK, statusView{Status: "ready"})
}

func (s *Server) failedChecks(ctx context.Context) []string {
	var failed []string
	if s.draining.Err() != nil {
		failed = append(failed, "stopping")
	}
	for _, check := range s.opts.Ready {
		if err := check.Check(ctx); err != nil {
			s.opts.Logger.WarnContext(ctx, "readiness check failed", slog.String("check", check.Name), slog.Any("error", err))
			failed = append(failed, check.Name)
		}
	}
	return failed
}

func (s *Server) metrics(c echo.Context, _ sallyport.Identity) error {
	s.opts.Metrics.ServeHTTP(c.Response(), c.Request())
	return nil
}

func (s *Server) openAPI(c echo.Context, _ sallyport.Identity) error {
	return c.Blob(http.StatusOK, "application/yaml", openAPIDocument) // RFC 9512
}
