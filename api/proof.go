package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport"
)

// proof answers with what the ledger says of a call, for those who don't trust
// us. Auditors get what the leaves commit to besides; the call's agent does not:
// there are votes and tokens of people in it.
func (s *Server) proof(c echo.Context, who sallyport.Identity) error {
	id := c.Param("id")
	if !s.audits(who) { // who may look at all of them needs no record to be there: it may have been erased
		if _, err := s.find(c, who); err != nil {
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
