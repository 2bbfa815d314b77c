package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/api/wire"
)

// listTools lists the tools that an agent may see.
func (s *Server) listTools(c echo.Context, who sallyport.Identity) error {
	visible, err := s.opts.Catalogue.Visible(c.Request().Context(), *who.Agent)
	if err != nil {
		return err
	}
	list := toolsView{Tools: make([]wire.Tool, 0, len(visible))}
	for _, t := range visible {
		list.Tools = append(list.Tools, wire.Tool{
			Name: t.Name, Title: t.Title, Description: t.Description, Digest: t.Digest, InputSchema: t.InputSchema,
			Annotations: wire.Annotations{ReadOnly: t.ReadOnly, Destructive: t.Destructive},
		})
	}
	return respond(c, http.StatusOK, list)
}

// decide evaluates a call without a plan, a run or an entry in the ledger. It is
// no promise: policy evaluates the call itself anew.
func (s *Server) decide(c echo.Context, who sallyport.Identity) error {
	sub := submission{who: who}
	if _, err := readBody(c, &sub.callBody); err != nil {
		return err
	}
	v, err := s.preview(c, sub)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, v)
}

// preview is what policy would decide of a submission.
func (s *Server) preview(c echo.Context, sub submission) (wire.Preview, error) {
	sub.traceParent = traceParent(c.Request())
	call, err := s.newCall(sub)
	if err != nil {
		return wire.Preview{}, err
	}
	intent, decision, err := s.opts.Preview.Preview(c.Request().Context(), call, *sub.who.Agent)
	if err != nil {
		return wire.Preview{}, err
	}
	return previewOf(intent, decision), nil
}
