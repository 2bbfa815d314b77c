package opa

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
)

// Decide implements [sallyport.Decider].
func (e *Engine) Decide(ctx context.Context, q sallyport.Question) (sallyport.Decision, error) {
	p := e.current.Load()
	if p == nil {
		return sallyport.Decision{}, e.Ready()
	}
	input, err := Input(q)
	if err != nil {
		return sallyport.Decision{}, err
	}
	d, err := p.decide(ctx, input)
	if err == nil {
		d.Input, err = inputDigest(q, input)
	}
	if err != nil {
		return sallyport.Decision{}, e.noDecision(ctx, decisionRule, q.Intent, err)
	}
	return d, nil
}

// inputDigest is over the canonical JSON (RFC 8785) of the policy's input, as it
// may be stored: an auditor who has the document can show that the decision was
// about it.
func inputDigest(q sallyport.Question, input map[string]any) (sallyport.Digest, error) {
	if len(q.Intent.Seal) > 0 {
		var err error
		q.Intent = q.Intent.Redacted()
		if input, err = Input(q); err != nil {
			return "", err
		}
	}
	b, err := strict.Canonical(input)
	if err != nil {
		return "", err
	}
	return sallyport.NewDigest("sallyport/input/v1", b), nil
}

// DecideVote implements [sallyport.VoteDecider].
func (e *Engine) DecideVote(ctx context.Context, q sallyport.VoteQuestion) ([]sallyport.Reason, error) {
	p := e.current.Load()
	if p == nil {
		return nil, e.Ready()
	}
	input, err := VoteInput(q)
	if err != nil {
		return nil, err
	}
	reasons, err := p.object(ctx, input)
	if err != nil {
		return nil, e.noDecision(ctx, approverRule, q.Intent, err)
	}
	return reasons, nil
}

// Visible implements [sallyport.Visibility].
func (e *Engine) Visible(ctx context.Context, agent sallyport.Agent, tool sallyport.Tool) (bool, error) {
	p := e.current.Load()
	if p == nil {
		return false, e.Ready()
	}
	visible, err := p.see(ctx, visibleInput(agent, tool))
	if err != nil {
		return false, e.noDecision(ctx, visibleRule, sallyport.Intent{}, err)
	}
	return visible, nil
}

// noDecision logs the cause, which only operators may see, without redacted
// arguments that it quotes. A cancelled context is not the policy's fault and is
// not logged.
func (e *Engine) noDecision(ctx context.Context, rule string, i sallyport.Intent, err error) error {
	if ctx.Err() == nil {
		e.log.ErrorContext(ctx, "no decision", slog.String("rule", rule), slog.String("call_id", i.CallID),
			slog.String("revision", e.Revision()), slog.String("error", i.Secrets().Scrub(err.Error())))
	}
	return noDecision(err)
}

func (p *policy) decide(ctx context.Context, input map[string]any) (sallyport.Decision, error) {
	raw, err := evaluate(ctx, p.decision, input, p.timeout)
	if err != nil {
		return sallyport.Decision{}, err
	}
	return newDecision(raw, p.revision)
}

func (p *policy) see(ctx context.Context, input map[string]any) (bool, error) {
	raw, err := evaluate(ctx, p.visible, input, p.timeout)
	if err != nil {
		return false, err
	}
	visible, ok := raw.(bool)
	if !ok {
		return false, fmt.Errorf("the result is a %T: it must be true or false", raw)
	}
	return visible, nil
}

func (p *policy) object(ctx context.Context, input map[string]any) ([]sallyport.Reason, error) {
	raw, err := evaluate(ctx, p.approver, input, p.timeout)
	if err != nil {
		return nil, err
	}
	var list []reason
	if err := decode(raw, &list); err != nil {
		return nil, err
	}
	return newReasons(list)
}

// evaluate runs one query within a timeout.
func evaluate(ctx context.Context, query rego.PreparedEvalQuery, input map[string]any, timeout time.Duration) (any, error) {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	v, err := ast.InterfaceToValue(input)
	if err != nil {
		return nil, fmt.Errorf("the input is no JSON: %w", err)
	}
	results, err := query.Eval(limited, rego.EvalParsedInput(v))
	switch {
	case limited.Err() != nil:
		return nil, fmt.Errorf("stopped after %v: %w", timeout, limited.Err())
	case err != nil:
		return nil, atLine(err)
	case len(results) != 1 || len(results[0].Expressions) != 1:
		return nil, errors.New("the rule is undefined for this input")
	}
	return results[0].Expressions[0].Value, nil
}

// atLine adds where in the policy an evaluation failed.
func atLine(err error) error {
	if t, ok := errors.AsType[*topdown.Error](err); ok && t.Location != nil {
		return fmt.Errorf("%s:%d: %s", t.Location.File, t.Location.Row, t.Message)
	}
	return err
}
