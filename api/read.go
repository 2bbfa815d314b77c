package api

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/api/wire"
)

// getCall returns a call, at once or, with Prefer: wait, when it has ended.
func (s *Server) getCall(c echo.Context, who sallyport.Identity) error {
	record, err := s.find(c, who, c.Param("id"))
	if err != nil {
		return err
	}
	if wait := s.wait(c, 0); wait > 0 {
		record, err = s.await(c, record, wait, sallyport.State.Final)
	}
	if err != nil {
		return about(record.Call.ID, err)
	}
	if !record.State.Final() {
		c.Response().Header().Set(echo.HeaderRetryAfter, retrySeconds(record.State))
	}
	view := s.view(record)
	if who.Person != nil {
		view.Covered = coveredOf(record)
	}
	return respond(c, http.StatusOK, view)
}

// find is the call of an id. A call that does not exist and one that the caller
// may not see are the same error, at the same cost: the ledger is asked for an
// agent's own call, and reads no other one.
func (s *Server) find(c echo.Context, who sallyport.Identity, id string) (sallyport.Record, error) {
	ctx := c.Request().Context()
	if !sallyport.ValidCallID(id) {
		return sallyport.Record{}, noCall()
	}
	if !s.seesAll(who) {
		q := sallyport.Query{ID: id, Limit: 1}
		if who.Agent != nil {
			q.Agent = who.Agent.ID
		}
		page, err := s.opts.Reader.Calls(ctx, q)
		if err != nil {
			return sallyport.Record{}, err
		}
		if len(page.Records) == 0 || !s.sees(who, page.Records[0]) {
			return sallyport.Record{}, noCall()
		}
	}
	record, err := s.opts.Reader.Call(ctx, id)
	switch {
	case sallyport.CodeOf(err) == sallyport.CodeErased && s.seesAll(who):
		return sallyport.Record{}, about(id, err)
	case sallyport.KindOf(err) == sallyport.NotFound:
		return sallyport.Record{}, noCall()
	case err != nil:
		return sallyport.Record{}, err
	case !s.sees(who, record.Summary()): // the summary said something else
		return sallyport.Record{}, noCall()
	}
	exchangeOf(c).callID = id
	return record, nil
}

func noCall() error {
	return sallyport.Errorf(sallyport.NotFound, sallyport.CodeNoCall, "there is no such call, or it is not yours to see")
}

// sees reports whether an identity may see a call: its agent, the agent's owner,
// operators, auditors, and people in the groups of its ballot.
func (s *Server) sees(who sallyport.Identity, r sallyport.Summary) bool {
	if who.Agent != nil {
		return r.Call.AgentID == who.Agent.ID
	}
	p := *who.Person
	return s.seesAll(who) || r.OwnedBy(p) ||
		r.Ballot != nil && sallyport.Overlap(r.Ballot.Terms.Groups, p.Groups)
}

func (s *Server) seesAll(who sallyport.Identity) bool {
	return s.operates(who) || s.audits(who)
}

func (s *Server) operates(who sallyport.Identity) bool {
	return who.Person != nil && sallyport.Overlap(s.opts.OperatorGroups, who.Person.Groups)
}

// listCalls lists calls, newest first: all for operators and auditors, its
// own for an agent.
func (s *Server) listCalls(c echo.Context, who sallyport.Identity) error {
	q, err := readQuery(c.QueryParams(), listParameters())
	if err != nil {
		return err
	}
	switch {
	case who.Agent != nil && q.Agent != "" && q.Agent != who.Agent.ID:
		return sallyport.Errorf(sallyport.Denied, sallyport.CodeNotYours, "an agent may list its own calls")
	case who.Agent != nil:
		q.Agent = who.Agent.ID
	case !s.seesAll(who):
		return sallyport.Errorf(sallyport.Denied, sallyport.CodeNotAnOperator, "operators and auditors may list calls")
	}
	return s.list(c, q)
}

// search finds calls by their search terms, newest first, for operators and
// auditors.
func (s *Server) search(c echo.Context, who sallyport.Identity) error {
	if !s.seesAll(who) {
		return sallyport.Errorf(sallyport.Denied, sallyport.CodeNotAnAuditor, "operators and auditors may search the ledger")
	}
	q, err := readQuery(c.QueryParams(), append(listParameters(), "namespace", "name", "person", "digest", "trace_id", "before"))
	if err != nil {
		return err
	}
	return s.list(c, q)
}

func (s *Server) list(c echo.Context, q sallyport.Query) error {
	list, err := s.page(c.Request().Context(), q)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, list)
}

// page is a page of calls.
func (s *Server) page(ctx context.Context, q sallyport.Query) (listView, error) {
	page, err := s.opts.Reader.Calls(ctx, q)
	if err != nil {
		return listView{}, err
	}
	return listView{Calls: s.calls(page), Cursor: orNull(page.Cursor)}, nil
}

func (s *Server) calls(page sallyport.Page) []wire.Call {
	calls := make([]wire.Call, 0, len(page.Records))
	for _, r := range page.Records {
		calls = append(calls, s.listed(r))
	}
	return calls
}

func listParameters() []string { return []string{"state", "agent", "tool", "since", "limit", "cursor"} }

// readQuery reads a list's parameters and rejects unknown ones: a misspelt filter
// must not list everything.
func readQuery(params url.Values, known []string) (sallyport.Query, error) {
	var q sallyport.Query
	for name, values := range params {
		if !slices.Contains(known, name) {
			last := len(known) - 1
			return q, badParameter(name, "is not known here: "+strings.Join(known[:last], ", ")+" and "+known[last]+" are")
		}
		if name == "state" {
			values = strings.Split(strings.Join(values, ","), ",")
		} else if len(values) > 1 {
			return q, badParameter(name, "may be given once")
		}
		for _, v := range values {
			if err := setParameter(&q, name, v); err != nil {
				return q, err
			}
		}
	}
	return q, nil
}

func setParameter(q *sallyport.Query, name, value string) (err error) {
	texts := map[string]*string{
		"agent": &q.Agent, "tool": &q.Tool, "namespace": &q.Namespace, "name": &q.Name, "person": &q.Person,
		"trace_id": &q.TraceID, "cursor": &q.Cursor, "digest": (*string)(&q.Digest),
	}
	times := map[string]*time.Time{"since": &q.Since, "before": &q.Before}
	switch text, at := texts[name], times[name]; {
	case name == "digest" && !sallyport.Digest(value).Valid():
		return badParameter(name, "must be sha256: and 64 hexadecimal digits")
	case text != nil:
		*text = value
	case at != nil:
		if *at, err = time.Parse(time.RFC3339, value); err != nil {
			return badParameter(name, "must be a time as RFC 3339 writes it: 2026-11-21T22:00:00Z")
		}
	case name == "limit":
		if q.Limit, err = strconv.Atoi(value); err != nil || q.Limit < 1 {
			return badParameter(name, "must be a number, from 1 to 500")
		}
	case !slices.Contains(sallyport.States(), sallyport.State(value)):
		return badParameter(name, "must be a state of a call, or several with commas between")
	default:
		q.States = append(q.States, sallyport.State(value))
	}
	return nil
}

func badParameter(name, detail string) error {
	return sallyport.Errorf(sallyport.Invalid, sallyport.CodeBadQuery, "the query parameter %.40q %s", name, detail)
}
