package sallyporttest

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/sallyport/sallyport"
)

// Decisions is a policy that is a table: by tool, what is decided. It is a
// [sallyport.Decider], a [sallyport.VoteDecider] and a [sallyport.Visibility].
// Tools that are not in the table are denied and hidden, and so is everything
// for an agent without an id. Votes count as the
// terms of the decision say, but never the owner's.
type Decisions struct {
	// Answer, when set, is asked instead of the table. Set it before use.
	Answer func(sallyport.Question) (sallyport.Decision, error)

	mu    sync.Mutex
	table map[string]sallyport.Decision
	fault error
	asked []sallyport.Question
}

var (
	_ sallyport.Decider     = (*Decisions)(nil)
	_ sallyport.VoteDecider = (*Decisions)(nil)
	_ sallyport.Visibility  = (*Decisions)(nil)
)

// NewDecisions makes a policy of a table, which may be nil.
func NewDecisions(table map[string]sallyport.Decision) *Decisions {
	d := &Decisions{table: map[string]sallyport.Decision{}}
	maps.Copy(d.table, table)
	return d
}

// AllowDecision lets a call happen.
func AllowDecision() sallyport.Decision {
	return sallyport.Decision{Effect: sallyport.Allow, Reasons: []sallyport.Reason{}, Revision: "test"}
}

// AskDecision wants a quorum of people in group sre, established in any way.
func AskDecision(quorum int) sallyport.Decision {
	return sallyport.Decision{
		Effect:  sallyport.Ask,
		Reasons: []sallyport.Reason{{Code: "production_write", Message: "a write in production needs approval"}},
		Approval: &sallyport.Terms{
			Groups: []string{"sre"}, Quorum: quorum, TTLSeconds: 3600,
			Evidence: sallyport.EvidenceClasses(),
		},
		Revision: "test",
	}
}

// DenyDecision says no, by a reason code.
func DenyDecision(code string) sallyport.Decision {
	return sallyport.Decision{
		Effect:   sallyport.Deny,
		Reasons:  []sallyport.Reason{{Code: code, Message: "the test's policy says " + code}},
		Revision: "test",
	}
}

// Set changes what is decided of a tool from now on.
func (d *Decisions) Set(tool string, decision sallyport.Decision) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.table[tool] = decision
}

// Break makes every answer this error, until it is called with nil.
func (d *Decisions) Break(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = err
}

// Asked are the questions that were asked until now.
func (d *Decisions) Asked() []sallyport.Question {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.asked)
}

// Decide implements [sallyport.Decider].
func (d *Decisions) Decide(ctx context.Context, q sallyport.Question) (sallyport.Decision, error) {
	d.mu.Lock()
	d.asked = append(d.asked, q)
	decision, ok := d.table[q.Intent.Tool.Name]
	err := d.broken(ctx)
	d.mu.Unlock()
	switch {
	case err != nil:
		return sallyport.Decision{}, err
	case d.Answer != nil:
		return d.Answer(q)
	case !ok, q.Intent.Agent.ID == "":
		return DenyDecision("not_granted"), nil
	default:
		return cloneDecision(decision), nil
	}
}

// DecideVote implements [sallyport.VoteDecider].
func (d *Decisions) DecideVote(ctx context.Context, q sallyport.VoteQuestion) ([]sallyport.Reason, error) {
	d.mu.Lock()
	err := d.broken(ctx)
	d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	var terms sallyport.Terms
	if q.Decision.Effect == sallyport.Ask && q.Decision.Approval != nil {
		terms = *q.Decision.Approval
	}
	var reasons []sallyport.Reason
	object := func(code, message string) {
		reasons = append(reasons, sallyport.Reason{Code: code, Message: message})
	}
	if q.Person.ID == "" || !sallyport.Overlap(terms.Groups, q.Person.Groups) {
		object("not_eligible", "the person is in none of the groups that were asked")
	}
	if owner := q.Intent.Agent.Owner; owner == "" || strings.EqualFold(owner, q.Person.ID) {
		object("own_agent", "nobody approves what their own agent asked for")
	}
	if !slices.Contains(terms.Evidence, q.Evidence) {
		object("evidence_too_weak", "the vote was not established as the decision asks")
	}
	return reasons, nil
}

// Visible implements [sallyport.Visibility].
func (d *Decisions) Visible(ctx context.Context, _ sallyport.Agent, tool sallyport.Tool) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.table[tool.Name]
	if err := d.broken(ctx); err != nil {
		return false, err
	}
	return ok, nil
}

func (d *Decisions) broken(ctx context.Context) error {
	err := d.fault
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		return nil
	}
	return sallyport.Errorf(sallyport.Unavailable, "no_decision", "policy gave no decision: %w", err)
}

// cloneDecision keeps callers from changing the table.
func cloneDecision(d sallyport.Decision) sallyport.Decision {
	d.Reasons = slices.Clone(d.Reasons)
	if d.Approval != nil {
		terms := *d.Approval
		terms.Groups, terms.Evidence = slices.Clone(terms.Groups), slices.Clone(terms.Evidence)
		d.Approval = &terms
	}
	return d
}
