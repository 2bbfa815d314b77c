package activities

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/sallyport/sallyport"
)

// Catalogue is the part of the catalogue of tools that the steps need.
type Catalogue interface {
	Tool(name string) (sallyport.Tool, bool)
	Tools() []sallyport.Tool
	Resolve(sallyport.Call, sallyport.Agent) (sallyport.Intent, error)
	CheckResult(tool string, result json.RawMessage) error
}

// Policy is the policy decision point.
type Policy interface {
	sallyport.Decider
	sallyport.VoteDecider
	sallyport.Visibility
}

// HistoryReader counts an agent's other calls, and finds the freeze that stops a
// call.
type HistoryReader interface {
	Frozen(ctx context.Context, i sallyport.Intent) (*sallyport.Freeze, error)
	History(ctx context.Context, i sallyport.Intent, now time.Time) (sallyport.History, error)
}

// Evaluator resolves calls to intents and asks policy about them. It changes
// nothing and needs no secret, so the API has one too. All fields but Says are
// required.
type Evaluator struct {
	Catalogue     Catalogue
	Policy        Policy
	HistoryReader HistoryReader
	Logger        *slog.Logger

	// Says reports whether an operator wrote a word of this kind, which a call of the
	// tool has: in the tool's manifest, in policy or in the configuration. Nil takes
	// every word for the agent's own.
	Says func(kind sallyport.WordKind, tool, word string) bool
	Now  func() time.Time
}

func (e Evaluator) check() error {
	if e.Catalogue == nil || e.Policy == nil || e.HistoryReader == nil || e.Logger == nil || e.Now == nil {
		return errors.New("activities: all of Evaluator is required")
	}
	return nil
}

// subject is a call with its intent and its tool as they are now.
type subject struct {
	call   sallyport.Call
	intent sallyport.Intent
	tool   sallyport.Tool
}

// redactor leaves out of the call's entries what is stored nowhere.
func (s subject) redactor() sallyport.Redactor {
	return sallyport.NewRedactor(s.call, s.intent.Redact, sallyport.Obligations{})
}

// known says which words of an intent are an operator's.
func (e Evaluator) known(i sallyport.Intent) *sallyport.Known {
	says := func(kind sallyport.WordKind, word string) bool {
		return e.Says != nil && e.Says(kind, i.Tool.Name, word)
	}
	return &sallyport.Known{
		Tool: true, Action: says(sallyport.WordAction, i.Action),
		Resource: says(sallyport.WordResource, i.Resource), Namespace: says(sallyport.WordNamespace, i.Namespace),
	}
}

// shown is an intent without the agent's own text where an operator's word is
// expected, for metrics.
func (e Evaluator) shown(i sallyport.Intent) sallyport.Intent {
	known := e.known(i)
	if !known.Action {
		i.Action = ""
	}
	if !known.Resource {
		i.Resource = ""
	}
	return i
}

// Visible lists the tools that an agent may know of.
func (e Evaluator) Visible(ctx context.Context, agent sallyport.Agent) ([]sallyport.Tool, error) {
	visible := []sallyport.Tool{}
	for _, t := range e.Catalogue.Tools() {
		ok, err := e.Policy.Visible(ctx, agent, t)
		if err != nil {
			return nil, err
		}
		if ok {
			visible = append(visible, t)
		}
	}
	return visible, nil
}

// Sees finds a tool that an agent may know of. Policy is asked about any name, about
// one of no tool with the zero tool: neither time nor an error tells a hidden tool
// from none.
func (e Evaluator) Sees(ctx context.Context, agent sallyport.Agent, name string) (tool sallyport.Tool, ok bool, err error) {
	tool, has := e.Catalogue.Tool(name)
	visible, err := e.Policy.Visible(ctx, agent, tool)
	if err != nil || !has || !visible {
		return sallyport.Tool{}, false, err
	}
	return tool, true, nil
}

// Preview evaluates a call without a plan, a run or an entry in the ledger.
func (e Evaluator) Preview(ctx context.Context, call sallyport.Call, agent sallyport.Agent) (sallyport.Intent, sallyport.Decision, error) {
	s, err := e.resolveFor(ctx, call, agent)
	if err != nil {
		return sallyport.Intent{}, sallyport.Decision{}, err
	}
	d, err := e.evaluate(ctx, s.intent, nil)
	return s.intent, d, err
}

// resolveFor resolves an agent's call to its intent. To the agent, a tool that it
// may not know of does not exist.
func (e Evaluator) resolveFor(ctx context.Context, call sallyport.Call, agent sallyport.Agent) (subject, error) {
	tool, ok, err := e.Sees(ctx, agent, call.Tool)
	if err != nil {
		return subject{}, err
	}
	if !ok {
		return subject{}, sallyport.Errorf(sallyport.NotFound, sallyport.CodeUnknownTool, "there is no tool %q", call.Tool)
	}
	intent, err := e.Catalogue.Resolve(call, agent)
	return subject{call, intent, tool}, err
}

// evaluate asks policy, unless a freeze stops the call. Where policy can't
// decide, the decision is to deny; only a dependency that is out of reach is an
// error.
func (e Evaluator) evaluate(ctx context.Context, i sallyport.Intent, plan *sallyport.Plan) (sallyport.Decision, error) {
	frozen, err := e.HistoryReader.Frozen(ctx, i)
	if err != nil {
		return sallyport.Decision{}, err
	}
	if frozen != nil {
		return frozen.Decision(), nil
	}
	now := e.Now()
	history, err := e.HistoryReader.History(ctx, i, now)
	if err != nil {
		return sallyport.Decision{}, err
	}
	d, err := e.Policy.Decide(ctx, sallyport.Question{Intent: i, Plan: plan, History: history, Now: now})
	switch {
	case err == nil:
		return d, nil
	case sallyport.KindOf(err) == sallyport.Unavailable:
		return sallyport.Decision{}, err
	}
	e.Logger.ErrorContext(ctx, "policy made no decision", slog.String("call_id", i.CallID), slog.String("code", sallyport.CodeOf(err)))
	return sallyport.Decision{
		Effect:  sallyport.Deny,
		Reasons: []sallyport.Reason{{Code: sallyport.CodeNoDecision, Message: "policy could not decide on this call, so it is denied"}},
	}, nil
}
