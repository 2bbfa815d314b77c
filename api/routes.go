package api

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport"
)

// audience says which callers may use a route.
type audience int

const (
	anyone audience = iota // without a token
	probes                 // without a token, and with a share of their own
	known                  // every identity
	agents                 // identities that are agents
	people                 // identities that are people
	voters                 // people, whose refusals are recorded
)

// handler handles a request of an identity that the route's audience admits.
type handler func(c echo.Context, who sallyport.Identity) error

// route is one operation of the API, which draws its cost from a lane.
type route struct {
	method, path string
	who          audience
	lane         lane
	cost         int
	frozen       bool // whether a frozen agent may use it
	handle       handler
}

func (s *Server) routes() []route {
	routes := []route{
		{http.MethodPost, "/v1/calls", agents, toCall, costOne, true, s.submit},
		{http.MethodGet, "/v1/calls", known, toRead, costList, false, s.listCalls},
		{http.MethodGet, "/v1/calls/:id", known, toRead, costOne, true, s.getCall},
		{http.MethodGet, "/v1/calls/:id/events", known, toRead, costOne, true, s.events},
		{http.MethodGet, "/v1/calls/:id/proof", known, toRead, costProof, false, s.proof},
		{http.MethodPost, "/v1/calls/:id/cancel", known, toControl, costOne, true, s.cancel},
		{http.MethodPost, "/v1/calls/:id/votes", voters, toControl, costOne, false, s.vote},
		{http.MethodGet, "/v1/ledger", people, toRead, costList, false, s.search},
		{http.MethodGet, "/v1/ballots", people, toRead, costList, false, s.listBallots},
		{http.MethodPost, "/v1/freezes", people, toControl, costOne, false, s.freeze},
		{http.MethodGet, "/v1/freezes", people, toControl, costOne, false, s.listFreezes},
		{http.MethodDelete, "/v1/freezes/:id", people, toControl, costOne, false, s.lift},
		{http.MethodGet, "/v1/tools", agents, toRead, costList, false, s.listTools},
		{http.MethodPost, "/v1/decisions", agents, toCall, costOne, false, s.decide},
		{http.MethodPost, "/access/v1/evaluation", known, toCall, costOne, false, s.evaluate},
		{http.MethodPost, mcpPath, agents, "", 0, true, s.mcp}, // each message draws for itself
		{http.MethodGet, "/ledger/checkpoint", anyone, "", 0, false, s.tile},
		{http.MethodGet, "/ledger/tile/*", anyone, "", 0, false, s.tile},
		{http.MethodGet, "/healthz", probes, "", 0, false, s.healthy},
		{http.MethodGet, "/readyz", probes, "", 0, false, s.ready},
		{http.MethodGet, "/metrics", probes, "", 0, false, s.metrics},
		{http.MethodGet, "/version", anyone, "", 0, false, s.version},
		{http.MethodGet, "/openapi.yaml", anyone, "", 0, false, s.openAPI},
	}
	if s.opts.ExternalURL != nil {
		routes = append(routes,
			route{http.MethodGet, metadataPath, anyone, "", 0, false, s.metadata},
			route{http.MethodGet, metadataPath + mcpPath, anyone, "", 0, false, s.metadata})
	}
	return routes
}

// admit lets a route's audience through to its handler, within its share.
func (s *Server) admit(r route) echo.HandlerFunc {
	if r.who == anyone {
		return s.within(s.open, r.handle)
	}
	if r.who == probes {
		return s.within(s.probes, r.handle)
	}
	if r.lane == "" {
		return s.admitMessages(r)
	}
	return func(c echo.Context) error {
		who, err := s.identifyAs(c, r.who)
		var mine *turn
		if err == nil {
			mine, err = s.limiter.take(c.Request().Context(), identityKey(who), r.lane, r.cost)
			s.limiter.tell(c.Response().Header(), identityKey(who), r.lane)
		}
		if err != nil {
			if r.who == voters {
				s.logRejection(c, who, err)
			}
			return err
		}
		defer mine.end()
		exchangeOf(c).turn = mine
		if err := s.thawed(c.Request().Context(), r.frozen, who); err != nil {
			return err
		}
		return r.handle(c, who)
	}
}

// admitMessages lets a route's audience through to a handler that draws for each
// message by itself.
func (s *Server) admitMessages(r route) echo.HandlerFunc {
	return func(c echo.Context) error {
		who, err := s.identifyAs(c, r.who)
		if err != nil {
			return err
		}
		return r.handle(c, who)
	}
}

// within lets as many requests without a token through as the room has places.
func (s *Server) within(room chan struct{}, handle handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !enter(c.Request().Context(), room, turnTime) {
			err := sallyport.Errorf(sallyport.Unavailable, sallyport.CodeRateLimited, "too many requests without a token are at work")
			err.RetryAfter = time.Second
			return err
		}
		defer func() { <-room }()
		return handle(c, sallyport.Identity{})
	}
}

// check checks an identity against a route's audience.
func check(a audience, who sallyport.Identity) error {
	switch {
	case a == agents && who.Agent == nil:
		return sallyport.Errorf(sallyport.Denied, sallyport.CodeNotAnAgent, "this route is for agents, and the token is a person's")
	case (a == people || a == voters) && who.Person == nil:
		return sallyport.Errorf(sallyport.Denied, sallyport.CodeNotAPerson, "this route is for people, and the token is an agent's")
	}
	return nil
}

// thawed refuses what a frozen agent may not do: it may look at single calls and
// cancel them. Its submissions are recorded and denied.
func (s *Server) thawed(ctx context.Context, frozen bool, who sallyport.Identity) error {
	if who.Agent == nil || frozen {
		return nil
	}
	held, err := s.opts.Freezes.Held(ctx)
	if err != nil {
		return err
	}
	for _, f := range held {
		if f.Freeze.Agent == who.Agent.ID && f.Freeze.Stops(who.Agent.ID, "", "") {
			return f.Freeze.Denial()
		}
	}
	return nil
}
