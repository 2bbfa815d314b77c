package sallyport

import (
	"encoding/json"
	"errors"
	"slices"
	"time"
)

// Redactor leaves out of a call's entries what is stored nowhere. Every entry
// passes it before it is recorded, and every plan before its digest is taken.
type Redactor struct {
	Secrets

	result []string // JSON Pointers to what is left out of the result
	sealed bool     // the call has redacted arguments: of the result only keep is kept
	keep   []string
}

// NewRedactor makes the redactor of a call: of the call as the API signed it, or
// as the ledger has it, which has lost the values.
func NewRedactor(c Call, r Redaction, o Obligations) Redactor {
	return Redactor{Secrets: c.Secrets(), result: slices.Concat(r.Result, o.Redact), sealed: len(c.Redact) > 0, keep: r.KeepResult}
}

// NewRecordRedactor is [NewRedactor] for a call that the ledger knows.
func NewRecordRedactor(rec Record) Redactor {
	var r Redaction
	var o Obligations
	if rec.Intent != nil {
		r = rec.Intent.Redact
	}
	if rec.Decision != nil {
		o = rec.Decision.Obligations
	}
	return NewRedactor(rec.Call, r, o)
}

// Entry is the entry as it may be stored. It leaves nothing out of texts by which
// the gateway works: ids, names from the catalogue and the identity table, digests.
func (r Redactor) Entry(e Entry) Entry {
	switch e.Kind { //nolint:exhaustive // the others have no text but ids
	case EntryReceived:
		c := e.Call.RedactedBy(r.Secrets)
		e.Call = &c
	case EntryIntent:
		i := e.Intent.Redacted()
		e.Intent = &i
	case EntryDecision:
		d := *e.Decision
		d.Reasons, d.Hint = r.reasons(d.Reasons), r.Scrub(d.Hint)
		e.Decision = &d
	case EntryPlan:
		p := r.plan(*e.Plan)
		e.Plan = &p
	case EntryVote:
		v := *e.Vote
		v.Reason = r.Scrub(v.Reason)
		e.Vote = &v
	case EntryRefusal:
		f := *e.Refusal
		f.Code, f.Message = r.code(f.Code), r.Scrub(f.Message)
		e.Refusal = &f
	case EntryDrift:
		d := Drift{Message: r.Scrub(e.Drift.Message)}
		e.Drift = &d
	case EntryStop:
		s := *e.Stop
		s.Reason = r.Scrub(s.Reason)
		e.Stop = &s
	case EntryOutcome:
		out := r.outcome(*e.Outcome)
		e.Outcome = &out
	}
	return e
}

// Plan is the plan as it may be shown and stored. It refuses, with an error of
// kind [Denied], one with a secret in its preconditions: the write enforces them
// as they are.
func (r Redactor) Plan(p Plan) (Plan, error) {
	if r.quotedIn(p.Preconditions) {
		return Plan{}, Errorf(Denied, CodeNotRedactable, "the plan can't be stored: its preconditions hold an argument that the tool's manifest redacts")
	}
	return r.plan(p), nil
}

func (r Redactor) plan(p Plan) Plan {
	p.Summary, p.Diff = r.Scrub(p.Summary), r.Scrub(p.Diff)
	p.Changes = slices.Clone(p.Changes)
	for i, c := range p.Changes {
		p.Changes[i] = Change{Path: r.Scrub(c.Path), Before: r.ScrubJSON(c.Before), After: r.ScrubJSON(c.After)}
	}
	return p
}

func (r Redactor) outcome(out Outcome) Outcome {
	out.Result = Redact(out.Result, r.result, func(string, []byte) string { return RedactedMark })
	if r.sealed {
		out.Result = keepOnly(out.Result, r.keep)
	}
	out.Result, out.Reference = r.ScrubJSON(out.Result), r.Scrub(out.Reference)
	if out.Error != nil {
		out.Error = r.failure(*out.Error)
	}
	return out
}

func (r Redactor) failure(f Failure) *Failure {
	f.Code, f.Message, f.Reasons = r.code(f.Code), r.Scrub(f.Message), r.reasons(f.Reasons)
	f.Fields = slices.Clone(f.Fields)
	for i, field := range f.Fields {
		f.Fields[i] = Field{Pointer: r.Scrub(field.Pointer), Detail: r.Scrub(field.Detail)}
	}
	return &f
}

// Error is an error as it may leave the process. Of what it wraps there is left the
// text.
func (r Redactor) Error(e *Error) *Error {
	if !r.sealed {
		return e
	}
	f := r.failure(Failure{Code: e.Code, Message: e.Message, Fields: e.Fields, Reasons: e.Reasons})
	out := *e
	out.Code, out.Message, out.Fields, out.Reasons = f.Code, f.Message, f.Fields, f.Reasons
	if e.Err != nil {
		out.Err = errors.New(r.Scrub(e.Err.Error()))
	}
	return &out
}

func (r Redactor) reasons(list []Reason) []Reason {
	list = slices.Clone(list)
	for i, reason := range list {
		list[i] = Reason{Code: r.code(reason.Code), Message: r.Scrub(reason.Message)}
	}
	return list
}

// code scrubs the codes that policies and tools make. The gateway's own are no
// quotes, and it works by them.
func (r Redactor) code(code string) string {
	scrubbed := r.Scrub(code)
	if scrubbed != code && ownCode(code) {
		return code
	}
	return scrubbed
}

func ownCode(code string) bool {
	return slices.ContainsFunc(CodeGroups(), func(g CodeGroup) bool {
		return slices.ContainsFunc(g.Codes, func(c Code) bool { return c.Name == code })
	})
}

// Entry is the entry of a call's end. Leaves show its code if it is one of the
// gateway's own: tools make others.
func (o Outcome) Entry(callID string, at time.Time) Entry {
	e := Entry{CallID: callID, Kind: EntryOutcome, At: at, Outcome: &o}
	if o.Error != nil {
		e.Known = &Known{Code: ownCode(o.Error.Code)}
	}
	return e
}

// Found is an outcome that was found in the target, or that outlived the process
// which ran the call. Where the values to look for are lost, it has neither result
// nor message.
func (r Redactor) Found(out Outcome) Outcome {
	if !r.Lost() {
		return out
	}
	out.Result, out.Reference = json.RawMessage(nil), ""
	if out.Error != nil {
		f := Failure{Code: out.Error.Code, Message: "the tool's message is not kept: it may quote redacted arguments, whose values the worker does not know any more"}
		if !ownCode(f.Code) {
			f.Code = CodeInterrupted
		}
		out.Error = &f
	}
	return out
}
