package opa

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
)

// Input is the document from which policy decides. The gateway established all
// of it, but for call.claimed, which is in the agent's own words. The error
// says which part of the question is no JSON.
func Input(q sallyport.Question) (map[string]any, error) {
	if q.Now.IsZero() {
		return nil, sallyport.Errorf(sallyport.Internal, sallyport.CodeNoTime, "a decision needs the time it is made at")
	}
	i := q.Intent
	arguments, err := value("the arguments", i.Arguments)
	if err != nil {
		return nil, err
	}
	plan, err := planDocument(q.Plan)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"agent": agentDocument(i.Agent),
		"call": map[string]any{
			"id":      i.CallID,
			"claimed": map[string]any{"reason": i.Stated.Reason, "session": i.Stated.Session, "task": i.Stated.Task},
		},
		"tool":      toolDocument(i.Tool),
		"action":    i.Action,
		"resource":  i.Resource,
		"namespace": i.Namespace,
		"name":      i.Name,
		"arguments": arguments,
		"time":      q.Now.UTC().Format(time.RFC3339Nano),
		"plan":      plan,
		"history": map[string]any{
			"calls_last_minute":        q.History.CallsLastMinute,
			"calls_last_hour":          q.History.CallsLastHour,
			"same_arguments_last_hour": q.History.SameArgumentsLastHour,
			"denied_last_hour":         q.History.DeniedLastHour,
		},
	}, nil
}

// VoteInput is the document from which policy evaluates a vote.
func VoteInput(q sallyport.VoteQuestion) (map[string]any, error) {
	i := q.Intent
	arguments, err := value("the arguments", i.Arguments)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"person":   q.Person.ID,
		"groups":   texts(q.Person.Groups),
		"evidence": string(q.Evidence),
		"intent": map[string]any{
			"call_id": i.CallID, "digest": string(i.Digest()),
			"tool":   toolDocument(i.Tool),
			"action": i.Action, "resource": i.Resource, "namespace": i.Namespace, "name": i.Name,
			"arguments": arguments,
		},
		"decision": decisionDocument(q.Decision),
		"agent":    agentDocument(i.Agent),
	}, nil
}

func visibleInput(agent sallyport.Agent, tool sallyport.Tool) map[string]any {
	return map[string]any{
		"agent": agentDocument(agent),
		"tool": toolDocument(sallyport.ToolRef{
			Name: tool.Name, Digest: tool.Digest, ReadOnly: tool.ReadOnly, Destructive: tool.Destructive, Image: tool.Image,
		}),
	}
}

func agentDocument(a sallyport.Agent) map[string]any {
	return map[string]any{"id": a.ID, "issuer": a.Account.Issuer, "owner": a.Owner, "groups": texts(a.Groups)}
}

// toolDocument always has an image, which is "" for a tool that is built in.
func toolDocument(t sallyport.ToolRef) map[string]any {
	return map[string]any{
		"name": t.Name, "digest": string(t.Digest), "read_only": t.ReadOnly, "destructive": t.Destructive, "image": t.Image,
	}
}

// planDocument is nil, which becomes null, where there is no plan.
func planDocument(p *sallyport.Plan) (any, error) {
	if p == nil {
		return nil, nil
	}
	changes := make([]any, 0, len(p.Changes))
	for _, c := range p.Changes {
		before, err := value("the plan's state before "+c.Path, c.Before)
		if err != nil {
			return nil, err
		}
		after, err := value("the plan's state after "+c.Path, c.After)
		if err != nil {
			return nil, err
		}
		changes = append(changes, map[string]any{"path": c.Path, "before": before, "after": after})
	}
	return map[string]any{"digest": string(p.Digest()), "changes": changes}, nil
}

func decisionDocument(d sallyport.Decision) map[string]any {
	reasons := make([]any, 0, len(d.Reasons))
	for _, r := range d.Reasons {
		reasons = append(reasons, map[string]any{"code": r.Code, "message": r.Message})
	}
	doc := map[string]any{"effect": string(d.Effect), "reasons": reasons, "approval": nil, "revision": d.Revision}
	if t := d.Approval; t != nil {
		evidence := make([]any, 0, len(t.Evidence))
		for _, class := range t.Evidence {
			evidence = append(evidence, string(class))
		}
		doc["approval"] = map[string]any{
			"groups": texts(t.Groups), "quorum": t.Quorum, "ttl_seconds": t.TTLSeconds, "evidence": evidence,
		}
	}
	return doc
}

func texts(list []string) []any {
	out := make([]any, 0, len(list))
	for _, s := range list {
		out = append(out, s)
	}
	return out
}

// value decodes what reached us as JSON. None at all is null.
func value(what string, raw json.RawMessage) (any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var v any
	if err := strict.Decode(raw, &v); err != nil {
		return nil, &sallyport.Error{
			Kind: sallyport.Invalid, Code: sallyport.CodeBadJSON, Message: fmt.Sprintf("policy can't evaluate %s: %v", what, err), Err: err,
		}
	}
	return whole(v), nil
}

// whole makes integers of numbers that are, as a policy that formats them
// expects. All that reach us are exact within ±(2^53-1).
func whole(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			v[name] = whole(member)
		}
	case []any:
		for i, item := range v {
			v[i] = whole(item)
		}
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v)
		}
	}
	return v
}
