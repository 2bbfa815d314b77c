package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
)

// submission is a call as an agent asks for it, at whichever door of the API.
type submission struct {
	callBody

	who         sallyport.Identity
	canonical   []byte // the whole body: a request with the same key has the same
	key         string // the agent's idempotency key, or ""
	joins       bool   // without a key a write is the same as another, see [sallyport.Call.Same]
	apart       bool   // it repeats no other call all the same
	traceParent string
	tool        *sallyport.Tool // nil if there is none that the agent may see
}

// submit takes a call, and responds when the call has ended, when it waits for
// approval, or when the agent has waited long enough.
func (s *Server) submit(c echo.Context, who sallyport.Identity) error {
	sub := submission{who: who, traceParent: traceParent(c.Request())}
	var err error
	if sub.canonical, err = readBody(c, &sub.callBody); err != nil {
		return err
	}
	if sub.key, err = idempotencyKey(c.Request().Header); err != nil {
		return err
	}
	record, _, err := s.receive(c, sub)
	if err != nil {
		return err
	}
	wait := s.wait(c, defaultWait)
	record, err = s.await(c, record, wait, func(r sallyport.State) bool { return r.Final() || r == sallyport.StateAwaitingApproval })
	if err != nil {
		s.logLost(c, record.Call.ID, err)
	}
	return s.respondSubmitted(c, record)
}

// logLost logs that a call is under way which the server can't look at now.
func (s *Server) logLost(c echo.Context, id string, err error) {
	s.opts.Logger.WarnContext(c.Request().Context(), "call can't be followed", slog.String("call_id", id), slog.Any("error", err))
}

// receive takes a call from an agent: it seals, signs, records and hands over.
// Every door of the API submits by it. repeats is whether the record is of another
// call, which this one repeats.
func (s *Server) receive(c echo.Context, sub submission) (record sallyport.Record, repeats bool, err error) {
	if sub.tool, err = s.toolFor(c.Request().Context(), sub); err != nil {
		return sallyport.Record{}, false, err
	}
	call, err := s.newCall(sub)
	if err != nil {
		return sallyport.Record{}, false, err
	}
	secrets := call.Secrets()
	call.Body = bodyDigest(sub.canonical, call.Redact, secrets)
	s.compare(&call, sub)
	exchangeOf(c).callID = call.ID
	if record, err = s.accept(c.Request().Context(), call, secrets, sub); err != nil {
		return sallyport.Record{}, false, about(call.ID, err)
	}
	exchangeOf(c).callID = record.Call.ID
	return record, record.Call.ID != call.ID, nil
}

// toolFor is the submission's tool, if the agent may see it. All that the call shows
// the agent follows from this answer: a hidden tool is to look like none. Without an
// answer there is no call, as there is no list of tools.
func (s *Server) toolFor(ctx context.Context, sub submission) (*sallyport.Tool, error) {
	ctx, cancel := s.handover(ctx)
	defer cancel()
	tool, ok, err := s.opts.Catalogue.Sees(ctx, *sub.who.Agent, sub.Tool)
	if err != nil || !ok {
		return nil, err
	}
	return &tool, nil
}

// bodyDigest identifies a repeated body. It leaves out redacted arguments, and
// quotes of them: a reader of the digest could guess them.
func bodyDigest(canonical []byte, redact []string, secrets sallyport.Secrets) sallyport.Digest {
	pointers := make([]string, len(redact))
	for i, p := range redact {
		pointers[i] = "/arguments" + p
	}
	left := sallyport.Redact(canonical, pointers, func(string, []byte) string { return sallyport.RedactedMark })
	return sallyport.NewDigest("sallyport/body/v1", secrets.ScrubJSON(left))
}

// idempotencyKey is "" where the agent sent none.
func idempotencyKey(h http.Header) (string, error) {
	values := h.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	if key := values[0]; len(values) > 1 || !printable(key, maxKey) {
		return "", sallyport.Errorf(sallyport.Invalid, sallyport.CodeBadIdempotencyKey, "Idempotency-Key must be one header of 1 to 255 visible ASCII characters")
	}
	return values[0], nil
}

// maxKey is how long an idempotency key may be, in bytes.
const maxKey = 255

// printable reports whether a text is visible ASCII, of so many bytes at most.
func printable(s string, most int) bool {
	return s != "" && len(s) <= most && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// newCall makes a call from a submission. With a key the call's id follows from the
// account and the key; otherwise it is random.
func (s *Server) newCall(sub submission) (sallyport.Call, error) {
	id, err := s.callID(sub.who.Account, sub.key)
	if err != nil {
		return sallyport.Call{}, err
	}
	call := sallyport.Call{
		ID:          id,
		AgentID:     sub.who.Agent.ID,
		Account:     sub.who.Account,
		Tool:        sub.Tool,
		Arguments:   sub.Arguments,
		Stated:      sub.stated(),
		ReceivedAt:  s.opts.Now().Round(0).UTC(),
		TraceParent: sub.traceParent,
	}
	err = s.seal(&call, sub.tool)
	return call, err
}

// sealSize is the size of the key under which arguments are committed to that are
// stored nowhere, in bytes.
const sealSize = 32

// seal says which of a call's arguments are stored nowhere: those that the tool's
// manifest names, or where the agent may see no such tool, those that any does.
func (s *Server) seal(call *sallyport.Call, tool *sallyport.Tool) error {
	if s.opts.Redactions == nil {
		return nil
	}
	name := ""
	if tool != nil {
		name = tool.Name
	}
	if call.Redact = s.opts.Redactions(name); len(call.Redact) == 0 {
		return nil
	}
	call.Seal = make([]byte, sealSize)
	if _, err := io.ReadFull(s.opts.Random, call.Seal); err != nil {
		return sallyport.Errorf(sallyport.Internal, sallyport.CodeNoRandom, "drawing a call's seal: %w", err)
	}
	return nil
}

func (s *Server) callID(account sallyport.Account, key string) (string, error) {
	var bits [16]byte
	if key == "" {
		if _, err := io.ReadFull(s.opts.Random, bits[:]); err != nil {
			return "", sallyport.Errorf(sallyport.Internal, sallyport.CodeNoRandom, "drawing a call id: %w", err)
		}
		return sallyport.CallID(bits), nil
	}
	name, err := strict.Canonical([]string{account.Issuer, account.Subject, key})
	if err != nil {
		return "", sallyport.Errorf(sallyport.Internal, sallyport.CodeBadAccount, "deriving a call id: %w", err)
	}
	sum := sha256.Sum256(name)
	copy(bits[:], sum[:])
	return sallyport.CallID(bits), nil
}

// traceParent is the trace context of the span that the request is in, or
// where the server makes no spans, the agent's own.
func traceParent(r *http.Request) string {
	return cmp.Or(
		sallyport.TraceParent(trace.SpanContextFromContext(r.Context())),
		sallyport.ParseTraceParent(r.Header.Get("traceparent")).String(),
	)
}

// accept records a call in the ledger and hands it over, in this order, or finds
// the call that has the same key.
func (s *Server) accept(ctx context.Context, call sallyport.Call, secrets sallyport.Secrets, sub submission) (sallyport.Record, error) {
	keyed := sub.key != ""
	ctx, cancel := s.handover(ctx)
	defer cancel()
	if keyed {
		known, err := s.opts.Reader.Call(ctx, call.ID)
		if err == nil {
			return s.join(ctx, call, known)
		}
		if sallyport.KindOf(err) != sallyport.NotFound {
			return sallyport.Record{}, err
		}
	}
	stored := call.RedactedBy(secrets)
	signed, err := s.sign(stored)
	if err != nil {
		return sallyport.Record{}, err
	}
	received := sallyport.Entry{CallID: call.ID, Kind: sallyport.EntryReceived, At: call.ReceivedAt, Known: &sallyport.Known{Tool: sub.tool != nil}, Call: &stored, Signed: signed}
	receipt, err := s.opts.Recorder.Record(ctx, received)
	switch {
	case keyed && sallyport.CodeOf(err) == sallyport.CodeErased:
		return sallyport.Record{}, sallyport.Errorf(sallyport.Conflict, sallyport.CodeErased,
			"this Idempotency-Key names a call whose contents were erased, and names it for ever: use another one")
	case sallyport.CodeOf(err) == sallyport.CodeSameCall:
		return s.joinSame(ctx, call, sallyport.AsError(err).CallID)
	case err != nil:
		return sallyport.Record{}, err
	case receipt.Repeated && !keyed:
		return sallyport.Record{}, sallyport.Errorf(sallyport.Internal, sallyport.CodeIDDrawnTwice, "the random id %s belongs to another call", call.ID)
	case receipt.Repeated: // another request with this key was quicker
		known, err := s.opts.Reader.Call(ctx, call.ID)
		if err != nil {
			return sallyport.Record{}, err
		}
		return s.join(ctx, call, known)
	}
	record, err := sallyport.Record{}.Apply(received)
	if err != nil {
		return sallyport.Record{}, err
	}
	return record, s.start(ctx, record, call, keyed)
}

func (s *Server) hasTool(name string) bool {
	_, ok := s.tool(name)
	return ok
}

func (s *Server) sign(call sallyport.Call) (sallyport.SignedCall, error) {
	signed, err := s.opts.Signer.SignCall(call)
	if err != nil {
		return "", sallyport.Errorf(sallyport.Internal, sallyport.CodeNotSigned, "signing call %s: %w", call.ID, err)
	}
	return signed, nil
}

// handover is ctx without its cancellation: a client that hangs up neither
// stops a call nor leaves one half accepted.
func (s *Server) handover(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), s.opts.Timeouts.Handover)
}

// join is the call that a repeated request repeats. A pending call may not have
// been handed over, so join hands it over again: but not with redacted arguments,
// where this request may bring other values than the ledger received. The
// sweeper ends such a call if it was never handed over.
func (s *Server) join(ctx context.Context, call sallyport.Call, known sallyport.Record) (sallyport.Record, error) {
	if known.Call.Body != call.Body || known.Call.AgentID != call.AgentID {
		return sallyport.Record{}, sallyport.Errorf(sallyport.Conflict, sallyport.CodeIdempotencyMismatch, "this Idempotency-Key was used with another body; use a new key for a new call")
	}
	if known.State != sallyport.StatePending || len(known.Call.Redact) > 0 {
		return known, nil
	}
	return known, s.start(ctx, known, call, true)
}

// start hands a call over. It ends a call that it could not hand over and that the
// agent cannot send again: one without a key, or one with redacted arguments, whose
// values nothing holds any more.
func (s *Server) start(ctx context.Context, record sallyport.Record, call sallyport.Call, keyed bool) error {
	signed := record.Signed
	if len(record.Call.Redact) > 0 { // the stored call is redacted
		call.ReceivedAt, call.TraceParent = record.Call.ReceivedAt, record.Call.TraceParent
		var err error
		if signed, err = s.sign(call); err != nil {
			return err
		}
	}
	shown := record.Call
	if !s.hasTool(shown.Tool) {
		shown.Tool = ""
	}
	err := s.opts.Calls.Start(ctx, signed, shown)
	if err == nil {
		return nil
	}
	if keyed && len(record.Call.Redact) == 0 {
		return &sallyport.Error{
			Kind: sallyport.Unavailable, Code: sallyport.CodeNotStarted, CallID: record.Call.ID, Err: err,
			Message: "the call could not be handed over; send it again with the same Idempotency-Key",
		}
	}
	again := "send it again"
	if keyed {
		again = "send it again with another Idempotency-Key"
	}
	return s.giveUp(ctx, record.Call.ID, again, err)
}

// giveUp ends a call for which Start returned cause. Start may have failed after
// the hand-over: then the ledger refuses this end, or has one, and the call goes
// on.
func (s *Server) giveUp(ctx context.Context, id, again string, cause error) error {
	ctx, cancel := s.handover(ctx) // ctx may have run out
	defer cancel()
	refused := &sallyport.Error{
		Kind: sallyport.Unavailable, Code: sallyport.CodeNotStarted, CallID: id, Err: cause,
		Message: "the call could not be handed over: nothing was run; " + again,
	}
	now := s.opts.Now().Round(0).UTC()
	receipt, err := s.opts.Recorder.Record(ctx, sallyport.Outcome{
		State: sallyport.StateCancelled, FinishedAt: now,
		Error: &sallyport.Failure{Code: sallyport.CodeNotStarted, Message: "the call could not be handed over: nothing was run"},
	}.Entry(id, now))
	switch {
	case err == nil && receipt.Repeated, sallyport.KindOf(err) == sallyport.Conflict:
		return nil
	case err != nil:
		s.opts.Logger.ErrorContext(ctx, "could not end a call that was not handed over; it stays pending", slog.String("call_id", id), slog.Any("error", err))
		refused.Message = "the call could not be handed over; ask for it by its id before you send it again"
	}
	return refused
}

// respondSubmitted responds with the call, or with the problem that kept it from
// running.
func (s *Server) respondSubmitted(c echo.Context, r sallyport.Record) error {
	if p := outcomeProblem(r); p != nil {
		return p.write(c)
	}
	c.Response().Header().Set(echo.HeaderLocation, callPath(r.Call.ID))
	if r.State.Final() {
		return respond(c, http.StatusOK, s.view(r))
	}
	c.Response().Header().Set(echo.HeaderRetryAfter, retrySeconds(r.State))
	return respond(c, http.StatusAccepted, s.view(r))
}

// retrySeconds is when a client should ask again: people take longer than tools.
func retrySeconds(s sallyport.State) string {
	if s == sallyport.StateAwaitingApproval {
		return "10"
	}
	return "1"
}
