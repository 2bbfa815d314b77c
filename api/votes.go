package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/api/wire"
)

// maxBallots bounds one response: it has the oldest ballots.
const maxBallots = 500

// listBallots lists the calls that wait for a person, oldest first.
func (s *Server) listBallots(c echo.Context, who sallyport.Identity) error {
	records, err := s.ballots(c.Request().Context(), *who.Person)
	if err != nil {
		return err
	}
	list := ballotsView{Ballots: make([]wire.Call, 0, len(records))}
	for _, r := range records {
		list.Ballots = append(list.Ballots, s.listed(r))
	}
	return respond(c, http.StatusOK, list)
}

func (s *Server) ballots(ctx context.Context, p sallyport.Person) ([]sallyport.Summary, error) {
	q := sallyport.Query{States: []sallyport.State{sallyport.StateAwaitingApproval}, Limit: 500}
	var found []sallyport.Summary
	for {
		page, err := s.opts.Reader.Calls(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, r := range page.Records {
			if waitsFor(p, r.Record) {
				found = append(found, r)
			}
		}
		if page.Cursor == "" || page.Cursor == q.Cursor {
			break
		}
		q.Cursor = page.Cursor
	}
	slices.SortStableFunc(found, func(a, b sallyport.Summary) int { return a.Ballot.OpenedAt.Compare(b.Ballot.OpenedAt) })
	return found[:min(len(found), maxBallots)], nil
}

func waitsFor(p sallyport.Person, r sallyport.Record) bool {
	return r.State == sallyport.StateAwaitingApproval && r.Ballot != nil &&
		sallyport.Overlap(r.Ballot.Terms.Groups, p.Groups) && !ownsAgent(p, r)
}

// vote attests that a person voted. The worker decides whether the vote counts.
func (s *Server) vote(c echo.Context, who sallyport.Identity) error {
	record, err := s.find(c, who)
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
