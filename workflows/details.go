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

const (
	diffLimit      = 64 << 10 // bytes of a diff; the server takes details of 2 MB at most
	attributeLimit = 255      // bytes of a search attribute's value
)

// showWaiting shows approvers the ballot, and what became of the last vote.
func (c *toolCall) showWaiting(ctx workflow.Context) {
	if c.approval.ballot == nil || c.approval.closed {
		return
	}
	workflow.SetCurrentDetails(ctx, c.waitingDetails())
	if c.approval.after == 0 && len(c.approval.votes) == 0 && c.approval.refused == nil {
		upsert(ctx, sallyport.StateAwaitingApproval, c.valid.Intent.Namespace)
	}
}

// showApproved says that the wait is over and the call runs.
func (c *toolCall) showApproved(ctx workflow.Context) {
	c.approval.closed = true
	var b strings.Builder
	b.WriteString("## Approved, and running\n\n")
	c.votesSoFar(&b)
	workflow.SetCurrentDetails(ctx, b.String())
	upsert(ctx, sallyport.StateRunning, c.valid.Intent.Namespace)
}

func (c *toolCall) waitingDetails() string {
	ballot, t := c.approval.ballot, c.approval.tally()
	i := c.valid.Intent
	var b strings.Builder
	fmt.Fprintf(&b, "## Waiting for approval: %d of %d\n\n", len(t.People), ballot.Terms.Quorum)
	c.votesSoFar(&b)
	details.Facts(&b,
		"agent", sallyport.Inline(i.Agent.ID, details.CellLimit)+" (owner "+sallyport.Inline(i.Agent.Owner, details.CellLimit)+")",
		"tool", sallyport.Inline(i.Tool.Name, details.CellLimit),
		"what", sallyport.Inline(i.Action+" "+i.Resource, details.CellLimit),
		"target", sallyport.Inline(i.Namespace+"/"+i.Name, details.CellLimit),
		"needed", terms(ballot.Terms),
		"open until", ballot.ExpiresAt.Format(time.RFC3339),
		"ballot", sallyport.Inline(string(ballot.Digest()), details.CellLimit),
	)
	if c.plan != nil {
		b.WriteString("\n### What would change\n\n" + sallyport.Inline(c.plan.Summary, details.CellLimit) + "\n\n" + sallyport.Fence(details.Cut(c.plan.Diff, diffLimit)) + "\n")
	}
	b.WriteString("\n### Why policy asks\n\n")
	for _, r := range c.decision.Reasons {
		fmt.Fprintf(&b, "- %s: %s\n", sallyport.Inline(r.Code, details.CellLimit), sallyport.Inline(r.Message, details.CellLimit))
	}
	if r := i.Stated.Reason; r != "" {
		b.WriteString("\n### Why the agent asks, in its own words (untrusted)\n\n" + sallyport.Lines(r) + "\n")
	}
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
	var b strings.Builder
	b.WriteString("## Ended: " + string(end.State) + "\n\n")
	if end.Code != "" {
		b.WriteString("Reason: " + sallyport.Inline(end.Code, details.CellLimit) + "\n\n")
	}
	c.votesSoFar(&b)
	workflow.SetCurrentDetails(ctx, b.String())
	upsert(ctx, end.State, c.valid.Intent.Namespace)
}

func upsert(ctx workflow.Context, s sallyport.State, namespace string) {
	updates := []temporal.SearchAttributeUpdate{temporal.NewSearchAttributeKeyKeyword(wire.StateAttribute).ValueSet(string(s))}
	if namespace != "" {
		updates = append(updates, temporal.NewSearchAttributeKeyKeyword(wire.NamespaceAttribute).ValueSet(details.Cut(namespace, attributeLimit)))
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
