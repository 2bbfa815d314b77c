package activities

import (
	"bytes"
	"slices"

	"github.com/sallyport/sallyport"
)

// The gateway neither stores nor shows what a tool's manifest and policy's
// obligations redact. The API redacts arguments when it takes the call. The
// worker redacts plans and results here, before it records or shows them, and
// searches them for redacted arguments too: tools repeat their arguments.

// hidden holds what is redacted from a run's outcome.
type hidden struct {
	pointers []string // into the result
	secrets  []string
}

func hiding(c sallyport.Call, r sallyport.Redaction, o sallyport.Obligations) hidden {
	return hidden{slices.Concat(r.Result, o.Redact), c.Secrets()}
}

// hidingOf is hiding for a call that the ledger knows. Its call must be the one
// that was signed, as long as there is one.
func hidingOf(rec sallyport.Record) hidden {
	var r sallyport.Redaction
	var o sallyport.Obligations
	if rec.Intent != nil {
		r = rec.Intent.Redact
	}
	if rec.Decision != nil {
		o = rec.Decision.Obligations
	}
	return hiding(rec.Call, r, o)
}

func (h hidden) from(out sallyport.Outcome) sallyport.Outcome {
	out.Result = sallyport.Redact(out.Result, h.pointers, func(string, []byte) string { return sallyport.RedactedMark })
	out.Result = sallyport.ScrubJSON(out.Result, h.secrets)
	out.Reference = sallyport.Scrub(out.Reference, h.secrets)
	if out.Error != nil {
		e := *out.Error
		e.Message = sallyport.Scrub(e.Message, h.secrets)
		out.Error = &e
	}
	return out
}

// scrubbed is a plan without secrets. It rejects a plan with a secret in its
// preconditions: the write enforces them as they are.
func scrubbed(p sallyport.Plan, secrets []string) (sallyport.Plan, error) {
	if len(secrets) == 0 {
		return p, nil
	}
	for _, s := range secrets {
		if bytes.Contains(p.Preconditions, []byte(s)) {
			return sallyport.Plan{}, sallyport.Errorf(sallyport.Denied, sallyport.CodeNotRedactable,
				"the plan can't be stored: its preconditions hold an argument that the tool's manifest redacts")
		}
	}
	p.Summary, p.Diff = sallyport.Scrub(p.Summary, secrets), sallyport.Scrub(p.Diff, secrets)
	p.Changes = slices.Clone(p.Changes)
	for i, c := range p.Changes {
		p.Changes[i].Path = sallyport.Scrub(c.Path, secrets)
		p.Changes[i].Before, p.Changes[i].After = sallyport.ScrubJSON(c.Before, secrets), sallyport.ScrubJSON(c.After, secrets)
	}
	return p, nil
}
