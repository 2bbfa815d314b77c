package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport"
)

// audience says which callers may use a route.
type audience int

const (
	anyone  audience = iota // without a token
	known                   // every identity
	agents                  // identities that are agents
	limited                 // agents, counted against their rate limit
	people                  // identities that are people
	voters                  // people, counted against their rate limit
)

// handler handles a request of an identity that the route's audience admits.
type handler func(c echo.Context, who sallyport.Identity) error

type route struct {
	method, path string
	who          audience
	handle       handler
}

func (s *Server) routes() []route {
	return []route{
		{http.MethodPost, "/v1/calls", limited, s.submit},
		{http.MethodGet, "/v1/calls", known, s.listCalls},
		{http.MethodGet, "/v1/calls/:id", known, s.getCall},
		{http.MethodGet, "/v1/calls/:id/proof", known, s.proof},
		{http.MethodPost, "/v1/calls/:id/cancel", known, s.cancel},
		{http.MethodPost, "/v1/calls/:id/votes", voters, s.vote},
		{http.MethodGet, "/v1/ledger", people, s.search},
		{http.MethodGet, "/v1/ballots", people, s.listBallots},
		{http.MethodPost, "/v1/freezes", people, s.freeze},
		{http.MethodGet, "/v1/freezes", people, s.listFreezes},
		{http.MethodDelete, "/v1/freezes/:id", people, s.lift},
		{http.MethodGet, "/v1/tools", agents, s.listTools},
		{http.MethodPost, "/v1/decisions", limited, s.decide},
		{http.MethodGet, "/ledger/checkpoint", anyone, s.tile},
		{http.MethodGet, "/ledger/tile/*", anyone, s.tile},
		{http.MethodGet, "/healthz", anyone, s.healthy},
		{http.MethodGet, "/readyz", anyone, s.ready},
		{http.MethodGet, "/metrics", anyone, s.metrics},
		{http.MethodGet, "/openapi.yaml", anyone, s.openAPI},
	}
}

// admit lets a route's audience through to its handler.
func (s *Server) admit(r route) echo.HandlerFunc {
	return func(c echo.Context) error {
		if r.who == anyone {
			return r.handle(c, sallyport.Identity{})
		}
		who, err := s.identify(c)
		if err == nil {
			err = s.check(r.who, who)
		}
		if err != nil {
			if r.who == voters {
				s.logRejection(c, who, err)
			}
			return err
		}
		return r.handle(c, who)
	}
}

// check checks an identity against a route's audience and its rate limit.
func (s *Server) check(a audience, who sallyport.Identity) error {
	switch {
	case (a == agents || a == limited) && who.Agent == nil:
		return sallyport.Errorf(sallyport.Denied, sallyport.CodeNotAnAgent, "this route is for agents, and the token is a person's")
	case (a == people || a == voters) && who.Person == nil:
		return sallyport.Errorf(sallyport.Denied, sallyport.CodeNotAPerson, "this route is for people, and the token is an agent's")
	case a == limited:
		return s.limiter.take("agent/" + who.Agent.ID)
	case a == voters:
		return s.limiter.take("person/" + who.Person.ID)
	}
	return nil
}
