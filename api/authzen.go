package api

import (
	"encoding/json"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport"
)

// evaluationBody is a request of the AuthZEN Authorization API 1.0: may this agent
// call this tool with these arguments?
type evaluationBody struct {
	Subject  entity            `json:"subject"`
	Action   action            `json:"action"`
	Resource entity            `json:"resource"`
	Context  evaluationContext `json:"context"`
}

// entity is a subject or a resource. Its properties are the caller's word, and say
// nothing here.
type entity struct {
	Type       string          `json:"type"`
	ID         string          `json:"id"`
	Properties json.RawMessage `json:"properties"`
}

type action struct {
	Name       string          `json:"name"`
	Properties json.RawMessage `json:"properties"`
}

// evaluationContext is the rest of a call.
type evaluationContext struct {
	Arguments json.RawMessage `json:"arguments"`
	Reason    string          `json:"reason"`
	Session   string          `json:"session"`
	Task      string          `json:"task"`
}

func (b *evaluationBody) check() error {
	var wrong faults
	wrong.unless(b.Subject.Type == "agent", "/subject/type", `this must be "agent"`)
	wrong.unless(b.Subject.ID != "", "/subject/id", "this must be an agent's id")
	wrong.unless(b.Action.Name == "call", "/action/name", `this must be "call"`)
	wrong.unless(b.Resource.Type == "tool", "/resource/type", `this must be "tool"`)
	wrong.toolName("/resource/id", b.Resource.ID)
	if len(b.Context.Arguments) == 0 {
		b.Context.Arguments = json.RawMessage("{}")
	}
	wrong.unless(b.Context.Arguments[0] == '{', "/context/arguments", "this must be an object")
	call := b.call()
	wrong.stated("/context", call.stated())
	return wrong.err()
}

func (b *evaluationBody) call() callBody {
	c := b.Context
	return callBody{Tool: b.Resource.ID, Arguments: c.Arguments, Reason: c.Reason, Session: c.Session, Task: c.Task}
}

// evaluationView answers an evaluation. What would need approval is no: who asks
// cannot give it.
type evaluationView struct {
	Decision bool           `json:"decision"`
	Context  evaluationNote `json:"context"`
}

// evaluationNote says why, as a dry run does.
type evaluationNote struct {
	Effect   sallyport.Effect   `json:"effect"`
	Reasons  []sallyport.Reason `json:"reasons"`
	Hint     string             `json:"hint,omitempty"`
	Approval *sallyport.Terms   `json:"approval"`
	Revision string             `json:"revision,omitempty"`
}

// evaluate is a dry run for callers that speak AuthZEN.
func (s *Server) evaluate(c echo.Context, who sallyport.Identity) error {
	if id := c.Request().Header.Get(echo.HeaderXRequestID); printable(id, 128) {
		c.Response().Header().Set(echo.HeaderXRequestID, id) // as AuthZEN wants it; the log has ours
	}
	if who.Agent == nil && !s.seesAll(who) {
		return sallyport.Errorf(sallyport.Denied, sallyport.CodeNotAnAuditor, "operators and auditors may ask for agents")
	}
	var body evaluationBody
	if _, err := readBody(c, &body); err != nil {
		return err
	}
	agent, err := s.subject(c, who, body.Subject.ID)
	if err != nil {
		return err
	}
	if agent == nil {
		return respond(c, http.StatusOK, notFound())
	}
	v, err := s.preview(c, submission{who: sallyport.Identity{Account: agent.Account, Agent: agent}, callBody: body.call()})
	switch {
	case sallyport.CodeOf(err) == sallyport.CodeUnknownTool:
		return respond(c, http.StatusOK, notFound())
	case err != nil:
		return err
	}
	return respond(c, http.StatusOK, evaluationView{Decision: v.Effect == sallyport.Allow, Context: evaluationNote{
		Effect: v.Effect, Reasons: v.Reasons, Hint: v.Hint, Approval: v.Approval, Revision: v.Revision,
	}})
}

// subject is the agent that an evaluation is about: the caller itself, or whom an
// operator or auditor names. It is nil for all others.
func (s *Server) subject(c echo.Context, who sallyport.Identity, id string) (*sallyport.Agent, error) {
	if who.Agent != nil {
		if who.Agent.ID != id {
			return nil, nil
		}
		return who.Agent, nil
	}
	agent, err := s.opts.Scopes.Agent(c.Request().Context(), id)
	if sallyport.KindOf(err) == sallyport.NotFound {
		return nil, nil
	}
	return &agent, err
}

// notFound is the answer about an agent or a tool that is unknown, or that the
// caller may not see: one cannot be told from the other.
func notFound() evaluationView {
	return evaluationView{Context: evaluationNote{
		Effect: sallyport.Deny, Reasons: []sallyport.Reason{{Code: sallyport.CodeUnknownTool, Message: "there is no such tool for this agent"}},
	}}
}
