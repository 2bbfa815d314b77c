package opa

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
)

// Bounds of a decision, which becomes part of a ledger's leaf.
const (
	maxReasons = 100
	maxCode    = 128
	maxMessage = 1024 // bytes; longer ones are cut, and hints too
	maxGroups  = 100
	maxTTL     = sallyport.MaxTTLSeconds
	maxTimeout = 24 * 60 * 60
	maxRedact  = 100
)

// rawDecision is the decision document as a policy writes it.
type rawDecision struct {
	Effect      string         `json:"effect"`
	Reasons     []reason       `json:"reasons"`
	Approval    *terms         `json:"approval"`
	Hint        string         `json:"hint"`
	Obligations jsontext.Value `json:"obligations"`
	Revision    string         `json:"revision"` // ignored: the engine knows the revision that it loaded
}

type reason struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type terms struct {
	Groups     []string `json:"groups"`
	Quorum     int      `json:"quorum"`
	TTLSeconds int      `json:"ttl_seconds"`
	Evidence   []string `json:"evidence"`
}

// newDecision checks a document against the contract. One that is not exactly
// as documented is no decision.
func newDecision(raw any, revision string) (sallyport.Decision, error) {
	var r rawDecision
	if err := decode(raw, &r); err != nil {
		return sallyport.Decision{}, err
	}
	d := sallyport.Decision{Effect: sallyport.Effect(r.Effect), Hint: shorten(r.Hint), Revision: revision}
	var err error
	if d.Reasons, err = newReasons(r.Reasons); err != nil {
		return sallyport.Decision{}, err
	}
	if d.Obligations, err = newObligations(r.Obligations); err != nil {
		return sallyport.Decision{}, err
	}
	if r.Approval != nil {
		if d.Approval, err = newTerms(*r.Approval); err != nil {
			return sallyport.Decision{}, err
		}
	}
	return d, checkEffect(d)
}

// checkEffect rejects decisions whose members contradict each other.
func checkEffect(d sallyport.Decision) error {
	switch d.Effect {
	case sallyport.Allow:
		if len(d.Reasons) > 0 {
			return fmt.Errorf("effect is allow, and yet there are reasons against: %s", d.Reasons[0].Code)
		}
	case sallyport.Ask:
		if d.Approval == nil {
			return errors.New("effect is ask, and there are no approval terms")
		}
	case sallyport.Deny:
	default:
		return fmt.Errorf("effect is %.40q, which is none of allow, ask and deny", d.Effect)
	}
	if d.Effect != sallyport.Ask && d.Approval != nil {
		return fmt.Errorf("effect is %s, and yet there are approval terms", d.Effect)
	}
	if d.Effect != sallyport.Allow && len(d.Reasons) == 0 {
		return fmt.Errorf("effect is %s without a reason", d.Effect)
	}
	return nil
}

func newReasons(list []reason) ([]sallyport.Reason, error) {
	if list == nil {
		return nil, errors.New("reasons is missing or null: it must be a list")
	}
	if len(list) > maxReasons {
		return nil, fmt.Errorf("there are more than %d reasons", maxReasons)
	}
	out := make([]sallyport.Reason, 0, len(list))
	for _, r := range list {
		if !isCode(r.Code) {
			return nil, fmt.Errorf("the reason code %.40q is not of lower case letters, digits and underscores", r.Code)
		}
		if r.Message == "" {
			return nil, fmt.Errorf("the reason %s has no message", r.Code)
		}
		out = append(out, sallyport.Reason{Code: r.Code, Message: shorten(r.Message)})
	}
	return out, nil
}

func isCode(s string) bool {
	return s != "" && len(s) <= maxCode && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// shorten cuts a message or a hint, which may quote what an agent sent.
func shorten(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	return sallyport.Head(s, maxMessage) + "…"
}

func newTerms(t terms) (*sallyport.Terms, error) {
	switch {
	case len(t.Groups) == 0 || len(t.Groups) > maxGroups || slices.Contains(t.Groups, ""):
		return nil, errors.New("approval.groups must name the groups of approvers")
	case t.Quorum < 1:
		return nil, fmt.Errorf("approval.quorum is %d: it must be at least 1", t.Quorum)
	case t.TTLSeconds < 1 || t.TTLSeconds > maxTTL:
		return nil, fmt.Errorf("approval.ttl_seconds is %d: it must be from 1 to %d", t.TTLSeconds, maxTTL)
	case len(t.Evidence) == 0:
		return nil, errors.New("approval.evidence must list the classes that suffice")
	}
	out := sallyport.Terms{Groups: t.Groups, Quorum: t.Quorum, TTLSeconds: t.TTLSeconds}
	for _, e := range t.Evidence {
		class := sallyport.EvidenceClass(e)
		if !slices.Contains(sallyport.EvidenceClasses(), class) {
			return nil, fmt.Errorf("approval.evidence has %.40q, which is no class of evidence", e)
		}
		out.Evidence = append(out.Evidence, class)
	}
	return &out, nil
}

// newObligations rejects unknown obligations: the gateway must not drop one that
// it can't fulfil.
func newObligations(raw jsontext.Value) (sallyport.Obligations, error) {
	var o sallyport.Obligations
	if raw == nil {
		return o, nil
	}
	var m map[string]jsontext.Value
	if err := strict.Decode(raw, &m); err != nil || m == nil {
		return o, fmt.Errorf("obligations is %.40s: it must be an object", raw)
	}
	for name, raw := range m {
		if err := setObligation(&o, name, raw); err != nil {
			return o, err
		}
	}
	return o, nil
}

func setObligation(o *sallyport.Obligations, name string, raw jsontext.Value) error {
	switch name {
	case "timeout_seconds":
		if err := strict.Decode(raw, &o.TimeoutSeconds); err != nil || o.TimeoutSeconds < 1 || o.TimeoutSeconds > maxTimeout {
			return fmt.Errorf("obligations.timeout_seconds is %.40s: it must be a whole number from 1 to %d", raw, maxTimeout)
		}
	case "redact":
		if err := strict.Decode(raw, &o.Redact); err != nil || len(o.Redact) == 0 || len(o.Redact) > maxRedact || slices.ContainsFunc(o.Redact, badPointer) {
			return fmt.Errorf("obligations.redact is %.40s: it must be a list of at most %d JSON Pointers into the result", raw, maxRedact)
		}
	case "signed_image":
		// False would read like permission to run an unsigned image.
		if err := strict.Decode(raw, &o.SignedImage); err != nil || !o.SignedImage {
			return fmt.Errorf("obligations.signed_image is %.40s: it must be true, or left out", raw)
		}
	default:
		return fmt.Errorf("the obligation %.40q is not known", name)
	}
	return nil
}

func badPointer(p string) bool { return !sallyport.ValidPointer(p) }

// decode reads what a query returned strictly: another type, an unknown
// member or a missing one is an error.
func decode(raw, into any) error {
	b, err := json.Marshal(raw)
	if err != nil {
		return fmt.Errorf("the result is no JSON: %w", err)
	}
	if err := strict.Decode(b, into); err != nil {
		fields := sallyport.AsError(err).Fields
		if len(fields) > 0 && fields[0].Pointer != "" {
			return fmt.Errorf("the result's %s: %w", fields[0].Pointer, err)
		}
		return fmt.Errorf("the result: %w", err)
	}
	return nil
}
