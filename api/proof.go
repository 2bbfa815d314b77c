package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport"
)

// proof returns the proof of a call, for readers who don't trust the gateway.
// Auditors also get the contents that the leaves commit to; the call's agent does
// not, because they hold people's votes and tokens.
func (s *Server) proof(c echo.Context, who sallyport.Identity) error {
	id := c.Param("id")
	if !s.audits(who) { // an auditor needs no record: it may have been erased
		if _, err := s.find(c, who, c.Param("id")); err != nil {
			return err
		}
		if who.Agent == nil {
			return about(id, sallyport.Errorf(sallyport.Denied, sallyport.CodeNotAnAuditor, "auditors may have the proof of a call, and its agent"))
		}
	}
	proof, err := s.opts.Log.Prove(c.Request().Context(), id, who.Agent == nil)
	switch {
	case sallyport.KindOf(err) == sallyport.NotFound:
		return noCall()
	case err != nil:
		return about(id, err)
	}
	exchangeOf(c).callID = id
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, proof)
}

func (s *Server) audits(who sallyport.Identity) bool {
	return who.Person != nil && sallyport.Overlap(s.opts.AuditorGroups, who.Person.Groups)
}
