package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/activities"
	"github.com/sallyport/sallyport/workflows/details"
	"github.com/sallyport/sallyport/workflows/wire"
)

const attributeLimit = 255 // bytes of a search attribute's value

// showWaiting shows approvers the ballot, and what became of the last vote.
func (c *toolCall) showWaiting(ctx workflow.Context) {
	if c.approval.ballot == nil || c.approval.closed {
		return
	}
	workflow.SetCurrentDetails(ctx, c.waitingDetails())
	if c.approval.after == 0 && len(c.approval.votes) == 0 && c.approval.refused == nil {
		c.upsert(ctx, sallyport.StateAwaitingApproval)
	}
}

// showApproved says that the wait is over and the call runs.
func (c *toolCall) showApproved(ctx workflow.Context) {
	c.approval.closed = true
	b := c.page("Approved, and running")
	c.showCall(b)
	workflow.SetCurrentDetails(ctx, b.String())
	c.upsert(ctx, sallyport.StateRunning)
}

// page begins a page with what approvers look for first.
func (c *toolCall) page(heading string) *strings.Builder {
	var b strings.Builder
	b.WriteString("## " + heading + "\n\n" + details.Origin)
	c.votesSoFar(&b)
	return &b
}

// showCall shows the call, once it is known.
func (c *toolCall) showCall(b *strings.Builder) {
	if c.valid.Intent.CallID == "" {
		return
	}
	details.Call(b, c.valid.Intent)
	if c.plan != nil {
		details.Plan(b, *c.plan)
	}
	if c.approval.ballot != nil {
		b.WriteString("\n### Why policy asks\n\n")
		for _, r := range c.decision.Reasons {
			fmt.Fprintf(b, "- %s: %s\n", sallyport.Inline(r.Code, details.CellLimit), sallyport.Inline(r.Message, details.CellLimit))
		}
	}
	details.Words(b, c.valid.Intent)
}

// covers reports whether the ballot is about the intent and the plan that the
// workflow remembers: it shows these.
func (c *toolCall) covers(ballot sallyport.Ballot) bool {
	var plan sallyport.Digest
	if c.plan != nil {
		plan = c.plan.Digest()
	}
	return ballot.CallID == c.valid.Intent.CallID && ballot.Intent == c.valid.Intent.Digest() && ballot.Plan == plan
}

func (c *toolCall) waitingDetails() string {
	ballot, t := c.approval.ballot, c.approval.tally()
	b := c.page(fmt.Sprintf("Waiting for approval: %d of %d", len(t.People), ballot.Terms.Quorum))
	if !c.covers(*ballot) {
		b.WriteString("### Do not vote\n\nThe ballot is about another intent or plan than this workflow remembers. Tell the gateway's operators.\n")
		return b.String()
	}
	details.Facts(b,
		"needed", terms(ballot.Terms),
		"open until", ballot.ExpiresAt.Format(time.RFC3339),
		"ballot", sallyport.Inline(string(ballot.Digest()), details.CellLimit),
	)
	b.WriteString("\n")
	c.showCall(b)
	b.WriteString("\n### How to vote\n\nChoose *More Actions*, *Send a Signal*, `approve`, and give it this input; to vote no, with `\"reject\"` as the verdict. One no ends the call.\n\n" +
		sallyport.Inline(paperTemplate(*ballot), details.CellLimit) + "\n\nThen press R: the top shows what became of your vote.\n")
	return b.String()
}

func (c *toolCall) votesSoFar(b *strings.Builder) {
	for _, v := range c.approval.votes {
		fmt.Fprintf(b, "- %s: **%s** by %s %s\n", sallyport.Inline(v.Person, details.CellLimit), v.Verdict, v.Evidence.Class, sallyport.Inline(v.Reason, details.CellLimit))
	}
	if r := c.approval.refused; r != nil {
		who := r.Account.Subject
		if who == "" {
			who = "an unknown account"
		}
		fmt.Fprintf(b, "- the last vote that **did not count** was by %s: %s %s\n", sallyport.Inline(who, details.CellLimit),
			sallyport.Inline(r.Code, details.CellLimit), sallyport.Inline(r.Message, 1000))
	}
	if len(c.approval.votes) > 0 || c.approval.refused != nil {
		b.WriteString("\n")
	}
}

// show says how the call ended.
func (c *toolCall) show(ctx workflow.Context, end activities.Ended) {
	heading := "Ended: " + string(end.State)
	if end.Code != "" {
		heading += ", " + sallyport.Inline(end.Code, details.CellLimit)
	}
	b := c.page(heading)
	c.showCall(b)
	workflow.SetCurrentDetails(ctx, b.String())
	c.upsert(ctx, end.State)
}

// upsert sets the search attributes by which people find the call. Agent and tool
// stand there already, from the API; those of a call that was verified replace
// them. What is the agent's own text stands in none.
func (c *toolCall) upsert(ctx workflow.Context, s sallyport.State) {
	i := c.valid.Intent
	updates := []temporal.SearchAttributeUpdate{temporal.NewSearchAttributeKeyKeyword(wire.StateAttribute).ValueSet(string(s))}
	set := func(attribute, value string) {
		if value != "" {
			updates = append(updates, temporal.NewSearchAttributeKeyKeyword(attribute).ValueSet(details.Cut(value, attributeLimit)))
		}
	}
	set(wire.AgentAttribute, i.Agent.ID)
	set(wire.ToolAttribute, i.Tool.Name)
	if !c.valid.OwnNamespace {
		set(wire.NamespaceAttribute, i.Namespace)
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, updates...); err != nil {
		workflow.GetLogger(ctx).Warn("search attributes were not set", "error", err)
	}
}

// paperTemplate is the JSON that an approver sends.
func paperTemplate(b sallyport.Ballot) string {
	return fmt.Sprintf(`{"verdict": %q, "ballot": %q, "reason": ""}`, sallyport.Approve, b.Digest())
}

// terms shows the quorum and the groups.
func terms(t sallyport.Terms) string {
	return fmt.Sprintf("%d of %s", t.Quorum, sallyport.Inline(strings.Join(t.Groups, ", "), details.CellLimit))
}
