package api

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/api/wire"
)

type listView struct {
	Calls  []wire.Call `json:"calls"`
	Cursor *string     `json:"cursor"`
}

type ballotsView struct {
	Ballots []wire.Call `json:"ballots"`
	Cursor  *string     `json:"cursor"`
}

type freezesView struct {
	Freezes []freezeView `json:"freezes"`
}

type freezeView struct {
	ID         string     `json:"id"`
	Agent      string     `json:"agent,omitempty"`
	Tool       string     `json:"tool,omitempty"`
	Namespace  string     `json:"namespace,omitempty"`
	Everything bool       `json:"everything"`
	Reason     string     `json:"reason"`
	By         string     `json:"by"`
	At         time.Time  `json:"at"`
	Open       int        `json:"open"` // calls that it has yet to stop, 1000 at most
	LiftedBy   *string    `json:"lifted_by,omitempty"`
	LiftedAt   *time.Time `json:"lifted_at,omitempty"`
	Matches    []string   `json:"matches,omitempty"`  // of what it names, what there is; in the answer to a freeze alone
	Warnings   []string   `json:"warnings,omitempty"` // why it may hold less than it seems to
}

type toolsView struct {
	Tools []wire.Tool `json:"tools"`
}

type statusView struct {
	Status string `json:"status"`
}

func callPath(id string) string { return "/v1/calls/" + id }

// view is a whole call.
func (s *Server) view(r sallyport.Record) wire.Call {
	v := s.listed(r.Summary())
	if r.Plan != nil {
		v.Plan.Diff = r.Plan.Diff
	}
	if r.Outcome != nil && len(r.Outcome.Result) > 0 {
		v.Result = &wire.Result{Untrusted: true, Content: r.Outcome.Result}
	}
	return v
}

// listed is a call as lists show it: without the plan's diff and the result.
func (s *Server) listed(r sallyport.Summary) wire.Call {
	v := wire.Call{
		ID: r.Call.ID, State: r.State, Agent: r.Call.AgentID, Tool: r.Call.Tool,
		CreatedAt: r.Call.ReceivedAt.UTC(),
		TraceID:   orNull(sallyport.TraceID(r.Call.TraceParent)),
		Links:     wire.Links{Self: callPath(r.Call.ID), Proof: callPath(r.Call.ID) + "/proof"},
	}
	if r.Intent != nil {
		intent := intentOf(*r.Intent)
		intent.Digest = r.IntentDigest
		v.Intent = &intent
	}
	if d := r.Decision; d != nil {
		v.Decision = &wire.Decision{Effect: d.Effect, Reasons: orEmpty(d.Reasons), Hint: d.Hint, Revision: d.Revision}
	}
	if p := r.Plan; p != nil {
		v.Plan = &wire.Plan{Summary: p.Summary, Digest: r.PlanDigest}
	}
	if r.Ballot != nil {
		v.Ballot = ballotOf(*r.Ballot, r.Votes)
	}
	if r.State == sallyport.StateAwaitingApproval && s.opts.ApproveURL != nil {
		v.Links.Approve = s.opts.ApproveURL(r.Record)
	}
	if o := r.Outcome; o != nil {
		finished := o.FinishedAt.UTC()
		v.FinishedAt = &finished
		if e := o.Error; e != nil {
			v.Error = &wire.Failure{Code: e.Code, Message: e.Message, Errors: e.Fields, Reasons: e.Reasons}
		}
	}
	return v
}

// coveredOf is nil for a call that has no digests yet.
func coveredOf(r sallyport.Record) *wire.Covered {
	if r.Intent == nil {
		return nil
	}
	v := &wire.Covered{Intent: string(r.Intent.Covered())}
	if r.Plan != nil {
		v.Plan = string(r.Plan.Covered())
	}
	if r.Ballot != nil {
		parts := r.Ballot.Covered()
		v.Ballot = &parts
	}
	return v
}

func intentOf(i sallyport.Intent) wire.Intent {
	return wire.Intent{Action: i.Action, Resource: i.Resource, Namespace: i.Namespace, Name: i.Name}
}

func ballotOf(b sallyport.Ballot, votes []sallyport.Vote) *wire.Ballot {
	v := &wire.Ballot{
		Digest: b.Digest(), Groups: orEmpty(b.Terms.Groups), Quorum: b.Terms.Quorum, Evidence: orEmpty(b.Terms.Evidence),
		ExpiresAt: b.ExpiresAt.UTC(), Votes: make([]wire.Vote, 0, len(votes)),
	}
	for _, vote := range votes {
		v.Votes = append(v.Votes, wire.Vote{
			Person: vote.Person, Verdict: vote.Verdict, Evidence: vote.Evidence.Class, At: vote.At.UTC(), Reason: vote.Reason,
		})
	}
	return v
}

func previewOf(i sallyport.Intent, d sallyport.Decision) wire.Preview {
	v := wire.Preview{
		Effect: d.Effect, Reasons: orEmpty(d.Reasons), Hint: d.Hint, Obligations: d.Obligations, Revision: d.Revision, Intent: intentOf(i),
	}
	if d.Approval != nil {
		terms := *d.Approval
		terms.Groups, terms.Evidence = orEmpty(terms.Groups), orEmpty(terms.Evidence)
		v.Approval = &terms
	}
	return v
}

// orNull is nil, JSON's null, for an empty text.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// orEmpty makes JSON's [] of a nil slice.
func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// respond sends a JSON response.
func respond(c echo.Context, status int, v any) error {
	return send(c, status, echo.MIMEApplicationJSON, v)
}

// send writes a response only after all of it could be encoded.
func send(c echo.Context, status int, contentType string, v any) error {
	body, err := encode(v)
	if err != nil {
		return err
	}
	return c.Blob(status, contentType, body)
}

// encode is JSON on one line, which ends.
func encode(v any) ([]byte, error) {
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false) // nothing here is ever HTML; a diff should be readable
	if err := e.Encode(v); err != nil {
		return nil, sallyport.Errorf(sallyport.Internal, sallyport.CodeNotEncoded, "encoding a response: %w", err)
	}
	return body.Bytes(), nil
}
