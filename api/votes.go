package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport"
)

// listBallots lists the calls that wait for a person, oldest first.
func (s *Server) listBallots(c echo.Context, who sallyport.Identity) error {
	q, err := readQuery(c.QueryParams(), []string{"cursor", "limit"})
	if err != nil {
		return err
	}
	q.Voter = who.Person
	page, err := s.opts.Reader.Calls(c.Request().Context(), q)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, ballotsView{Ballots: s.calls(page), Cursor: orNull(page.Cursor)})
}

// vote attests that a person voted. The worker decides whether the vote counts.
func (s *Server) vote(c echo.Context, who sallyport.Identity) error {
	record, err := s.find(c, who, c.Param("id"))
	if err != nil {
		return err
	}
	id := record.Call.ID
	var body voteBody
	if _, err := readBody(c, &body); err != nil {
		return about(id, err)
	}
	if record.State != sallyport.StateAwaitingApproval {
		return about(id, sallyport.Errorf(sallyport.Conflict, sallyport.CodeNotWaiting, "the call does not wait for votes: it is %s", record.State))
	}
	attestation, err := s.opts.Signer.SignAttestation(sallyport.Attestation{
		CallID:  id,
		Account: who.Account,
		Paper:   sallyport.BallotPaper{Verdict: body.Verdict, Ballot: body.Ballot, Reason: body.Reason},
		IDToken: body.IDToken,
		At:      s.opts.Now().Round(0).UTC(),
	})
	if err != nil {
		return about(id, sallyport.Errorf(sallyport.Internal, sallyport.CodeNotSigned, "signing a vote on call %s: %w", id, err))
	}
	ctx, cancel := s.handover(c.Request().Context())
	defer cancel()
	if err := s.opts.Calls.Vote(ctx, id, attestation); err != nil {
		return about(id, err)
	}
	if record, err = s.opts.Reader.Call(ctx, id); err != nil {
		return about(id, err)
	}
	return respond(c, http.StatusOK, s.view(record))
}
