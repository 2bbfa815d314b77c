package api

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport"
)

// tile returns the checkpoint or a tile of the log (C2SP tlog-tiles) to the
// callers that the configuration admits.
func (s *Server) tile(c echo.Context, _ sallyport.Identity) error {
	visibility := "public"
	switch s.opts.Tiles {
	case TilesAnyone:
	case TilesAuditors:
		visibility = "private"
		who, err := s.identify(c)
		if err != nil {
			return err
		}
		if !s.audits(who) {
			return sallyport.Errorf(sallyport.Denied, sallyport.CodeNotAnAuditor, "auditors may read the log")
		}
	case TilesNobody:
		fallthrough
	default:
		return noTile()
	}
	path := strings.TrimPrefix(c.Request().URL.Path, "/ledger/")
	b, err := s.opts.Log.Tile(c.Request().Context(), path)
	switch {
	case sallyport.KindOf(err) == sallyport.NotFound:
		return noTile()
	case err != nil:
		return err
	case path == "checkpoint":
		return c.Blob(http.StatusOK, "text/plain; charset=utf-8", b)
	}
	c.Response().Header().Set("Cache-Control", visibility+", max-age=31536000, immutable")
	return c.Blob(http.StatusOK, echo.MIMEOctetStream, b)
}

func noTile() error {
	return sallyport.Errorf(sallyport.NotFound, sallyport.CodeNoTile, "the log has no such tile, or gives none out")
}
