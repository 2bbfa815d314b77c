package api

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport"
)

// maxScope bounds each name in a freeze, in characters.
const maxScope = 256

// maxOpen bounds the count of open calls that a freeze stops.
const maxOpen = 1000

// freezeBody is the body with which an operator freezes.
type freezeBody struct {
	Agent      string `json:"agent"`
	Tool       string `json:"tool"`
	Namespace  string `json:"namespace"`
	Everything bool   `json:"everything"`
	Reason     string `json:"reason"`
	Force      bool   `json:"force"` // freeze names that the gateway does not know
}

func (b *freezeBody) check() error {
	var wrong faults
	scoped := b.Agent != "" || b.Tool != "" || b.Namespace != ""
	wrong.unless(scoped || b.Everything, "/agent", `name an agent, a tool or a namespace, or say "everything": true`)
	wrong.unless(!scoped || !b.Everything, "/everything", "this is all, and goes with no agent, tool or namespace")
	wrong.unless(b.Reason != "", "/reason", "say why: it is recorded, and agents and approvers read it")
	wrong.atMost(maxReason, "/reason", b.Reason)
	for pointer, s := range map[string]string{"/agent": b.Agent, "/tool": b.Tool, "/namespace": b.Namespace} {
		wrong.atMost(maxScope, pointer, s)
	}
	return wrong.err()
}

// freeze stops calls from now on. The workers read freezes from the ledger, and
// stop the calls that run.
func (s *Server) freeze(c echo.Context, who sallyport.Identity) error {
	if err := s.mustOperate(who); err != nil {
		return err
	}
	var body freezeBody
	if _, err := readBody(c, &body); err != nil {
		return err
	}
	ctx, cancel := s.handover(c.Request().Context())
	defer cancel()
	scope := sallyport.Freeze{Agent: body.Agent, Tool: body.Tool, Namespace: strings.ToLower(body.Namespace)}
	of := s.look(ctx, scope)
	if err := of.err(); err != nil && !body.Force {
		return err
	}
	f := scope
	f.Reason, f.By, f.At = body.Reason, who.Person.ID, s.opts.Now().Round(0).UTC()
	held, err := s.opts.Freezes.Held(ctx)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(held, func(h sallyport.FreezeRecord) bool { return h.Freeze.Same(f) }); i >= 0 {
		return s.answerFreeze(c, http.StatusOK, held[i].Freeze, of) // sent twice
	}
	var bits [16]byte
	if _, err := io.ReadFull(s.opts.Random, bits[:]); err != nil {
		return sallyport.Errorf(sallyport.Internal, sallyport.CodeNoRandom, "drawing a freeze's id: %w", err)
	}
	f.ID = sallyport.CallID(bits)
	receipt, err := s.opts.Recorder.Record(ctx, sallyport.Entry{CallID: f.ID, Kind: sallyport.EntryFreeze, At: f.At, Freeze: &f})
	switch {
	case err != nil:
		return err
	case receipt.Repeated:
		return sallyport.Errorf(sallyport.Internal, sallyport.CodeIDDrawnTwice, "the random id %s belongs to another freeze", f.ID)
	}
	return s.answerFreeze(c, http.StatusCreated, f, of)
}

// answerFreeze describes a freeze that holds, and what it matches.
func (s *Server) answerFreeze(c echo.Context, status int, f sallyport.Freeze, of scopeLookup) error {
	v, err := s.freezeView(c, sallyport.FreezeRecord{Entries: 1, Freeze: f})
	if err != nil {
		return err
	}
	v.Matches, v.Warnings = of.matches, of.warnings
	c.Response().Header().Set(echo.HeaderLocation, "/v1/freezes/"+f.ID)
	return respond(c, status, v)
}

// listFreezes lists the freezes that hold, the earliest first.
func (s *Server) listFreezes(c echo.Context, who sallyport.Identity) error {
	if !s.seesAll(who) {
		return sallyport.Errorf(sallyport.Denied, sallyport.CodeNotAnOperator, "operators and auditors may see freezes")
	}
	held, err := s.opts.Freezes.Held(c.Request().Context())
	if err != nil {
		return err
	}
	list := freezesView{Freezes: make([]freezeView, 0, len(held))}
	for _, f := range held {
		v, err := s.freezeView(c, f)
		if err != nil {
			return err
		}
		list.Freezes = append(list.Freezes, v)
	}
	return respond(c, http.StatusOK, list)
}

// lift ends a freeze.
func (s *Server) lift(c echo.Context, who sallyport.Identity) error {
	if err := s.mustOperate(who); err != nil {
		return err
	}
	id := c.Param("id")
	ctx, cancel := s.handover(c.Request().Context())
	defer cancel()
	f, err := s.opts.Freezes.Freeze(ctx, id)
	if sallyport.KindOf(err) == sallyport.NotFound {
		return sallyport.Errorf(sallyport.NotFound, sallyport.CodeNoFreeze, "there is no such freeze")
	}
	if err != nil {
		return err
	}
	lifted := func(l sallyport.Lift) error {
		return sallyport.Errorf(sallyport.Conflict, sallyport.CodeLifted, "%s", fmt.Sprintf("%s lifted it already", l.By))
	}
	if f.Lift != nil {
		return lifted(*f.Lift)
	}
	now := s.opts.Now().Round(0).UTC()
	f.Lift = &sallyport.Lift{By: who.Person.ID, At: now}
	receipt, err := s.opts.Recorder.Record(ctx, sallyport.Entry{CallID: id, Kind: sallyport.EntryLift, At: now, Lift: f.Lift})
	switch {
	case err != nil:
		return err
	case receipt.Repeated && receipt.Entry.Lift != nil: // another operator was quicker
		return lifted(*receipt.Entry.Lift)
	}
	v, err := s.freezeView(c, f)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, v)
}

func (s *Server) mustOperate(who sallyport.Identity) error {
	if s.operates(who) {
		return nil
	}
	return sallyport.Errorf(sallyport.Denied, sallyport.CodeNotAnOperator, "operators may freeze and lift freezes")
}

func (s *Server) freezeView(c echo.Context, r sallyport.FreezeRecord) (freezeView, error) {
	f := r.Freeze
	v := freezeView{
		ID: f.ID, Agent: f.Agent, Tool: f.Tool, Namespace: f.Namespace, Everything: f.Agent == "" && f.Tool == "" && f.Namespace == "",
		Reason: f.Reason, By: f.By, At: f.At.UTC(),
	}
	if r.Lift != nil {
		at := r.Lift.At.UTC()
		v.LiftedBy, v.LiftedAt = &r.Lift.By, &at
		return v, nil
	}
	open, err := s.opts.Freezes.Stopped(c.Request().Context(), f, maxOpen)
	v.Open = len(open)
	return v, err
}
