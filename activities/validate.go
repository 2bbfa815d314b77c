package activities

import (
	"context"
	"time"

	"github.com/sallyport/sallyport"
)

// Validated is the part of a valid call that the workflow needs.
type Validated struct {
	Intent     sallyport.Intent `json:"intent"`
	Timeout    time.Duration    `json:"timeout"` // of one run
	PlanAlways bool             `json:"plan_always,omitempty"`
	PlanNever  bool             `json:"plan_never,omitempty"`

	// OwnNamespace says that the namespace is the agent's own text, which search
	// attributes do not show.
	OwnNamespace bool `json:"own_namespace,omitempty"`
}

// Validate checks the signature, the agent, the tool and the arguments, and
// records the intent.
func (a *Activities) Validate(ctx context.Context, signed sallyport.SignedCall) (v Validated, err error) {
	done := a.step(ctx, "validate")
	var call sallyport.Call
	defer func() { done(err); err = forTemporal(call, err) }()
	call, err = a.open(ctx, signed)
	if err != nil {
		return v, err
	}
	s, err := a.resolve(ctx, call)
	if err != nil {
		return v, err
	}
	stored, known := s.intent.Redacted(), a.known(s.intent)
	r, err := a.record(ctx, s.redactor(), sallyport.Entry{CallID: call.ID, Kind: sallyport.EntryIntent, At: a.Now(), Known: known, Intent: &stored})
	if err == nil && r.Entry.Known != nil { // what was decided first governs
		known = r.Entry.Known
	}
	return Validated{stored, s.tool.Timeout, s.tool.PlanAlways, s.tool.PlanNever, !known.Namespace}, err
}
