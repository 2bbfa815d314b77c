package workflows

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/activities"
)

// What a person sees in the Temporal UI is ours. Everything that came from an
// agent, a manifest, a target or a voter goes through the root package's
// renderer.

const (
	cellLimit      = 200      // characters of untrusted text in a table's cell
	diffLimit      = 64 << 10 // bytes of a diff; the server takes details of 2 MB at most
	attributeLimit = 255      // bytes of a search attribute's value
)

// cut shortens text to a number of bytes, and says so where there is room.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	const note = "\n… (cut; the API has all of it)"
	if limit > 10*len(note) {
		return strings.ToValidUTF8(s[:limit-len(note)], "") + note
	}
	return strings.ToValidUTF8(s[:limit], "")
}

// Summary is the static summary of a call's workflow: one line.
func Summary(c sallyport.Call) string {
	return sallyport.Inline(c.AgentID, 64) + " calls " + sallyport.Inline(c.Tool, 64)
}

// Details are the static details of a call's workflow: what the agent asked,
// in its own words.
func Details(c sallyport.Call) string {
	var b strings.Builder
	b.WriteString("### The call\n\n")
	facts(&b,
		"call", sallyport.Inline(c.ID, cellLimit),
		"agent", sallyport.Inline(c.AgentID, cellLimit),
		"tool", sallyport.Inline(c.Tool, cellLimit),
		"received", c.ReceivedAt.Format(time.RFC3339),
	)
	b.WriteString("\n### The agent's words (untrusted)\n\n")
	b.WriteString(sallyport.Lines(cmp.Or(c.Claimed.Reason, "no reason given")) + "\n\n")
	facts(&b,
		"session", sallyport.Inline(c.Claimed.Session, cellLimit),
		"task", sallyport.Inline(c.Claimed.Task, cellLimit),
	)
	b.WriteString("\nArguments:\n\n" + sallyport.Fence(string(c.Arguments)) + "\n")
	return b.String()
}

// showWaiting tells approvers what is asked of them, and what became of the
// last vote.
func (c *toolCall) showWaiting(ctx workflow.Context) {
	if c.approval.ballot == nil || c.approval.closed {
		return
	}
	workflow.SetCurrentDetails(ctx, c.waitingDetails())
	if c.approval.after == 0 && len(c.approval.votes) == 0 && c.approval.refused == nil {
		upsert(ctx, sallyport.AwaitingApproval, c.valid.Intent.Namespace)
	}
}

// showApproved says that the wait is over and the call runs.
func (c *toolCall) showApproved(ctx workflow.Context) {
	c.approval.closed = true
	var b strings.Builder
	b.WriteString("## Approved, and running\n\n")
	c.votesSoFar(&b)
	workflow.SetCurrentDetails(ctx, b.String())
	upsert(ctx, sallyport.Running, c.valid.Intent.Namespace)
}

func (c *toolCall) waitingDetails() string {
	ballot, t := c.approval.ballot, c.approval.tally()
	i := c.valid.Intent
	var b strings.Builder
	fmt.Fprintf(&b, "## Waiting for approval: %d of %d\n\n", len(t.People), ballot.Terms.Quorum)
	c.votesSoFar(&b)
	facts(&b,
		"agent", sallyport.Inline(i.Agent.ID, cellLimit)+" (owner "+sallyport.Inline(i.Agent.Owner, cellLimit)+")",
		"tool", sallyport.Inline(i.Tool.Name, cellLimit),
		"what", sallyport.Inline(i.Action+" "+i.Resource, cellLimit),
		"target", sallyport.Inline(i.Namespace+"/"+i.Name, cellLimit),
		"needed", terms(ballot.Terms),
		"open until", ballot.ExpiresAt.Format(time.RFC3339),
		"ballot", sallyport.Inline(string(ballot.Digest()), cellLimit),
	)
	if c.plan != nil {
		b.WriteString("\n### What would change\n\n" + sallyport.Inline(c.plan.Summary, cellLimit) + "\n\n" + sallyport.Fence(cut(c.plan.Diff, diffLimit)) + "\n")
	}
	b.WriteString("\n### Why policy asks\n\n")
	for _, r := range c.decision.Reasons {
		fmt.Fprintf(&b, "- %s: %s\n", sallyport.Inline(r.Code, cellLimit), sallyport.Inline(r.Message, cellLimit))
	}
	if r := i.Claimed.Reason; r != "" {
		b.WriteString("\n### Why the agent asks, in its own words (untrusted)\n\n" + sallyport.Lines(r) + "\n")
	}
	b.WriteString("\n### How to vote\n\nChoose *More Actions*, *Send a Signal*, `approve`, and give it this input; to vote no, with `\"reject\"` as the verdict. One no ends the call.\n\n" +
		sallyport.Inline(paperTemplate(*ballot), cellLimit) + "\n\nThen press R: what became of your vote stands at the top.\n")
	return b.String()
}

func (c *toolCall) votesSoFar(b *strings.Builder) {
	for _, v := range c.approval.votes {
		fmt.Fprintf(b, "- %s: **%s** by %s %s\n", sallyport.Inline(v.Person, cellLimit), v.Verdict, v.Evidence.Class, sallyport.Inline(v.Reason, cellLimit))
	}
	if r := c.approval.refused; r != nil {
		who := r.Account.Subject
		if who == "" {
			who = "somebody unknown"
		}
		fmt.Fprintf(b, "- the last vote that **did not count** was by %s: %s %s\n", sallyport.Inline(who, cellLimit),
			sallyport.Inline(r.Code, cellLimit), sallyport.Inline(r.Message, 1000))
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
		b.WriteString("Reason: " + sallyport.Inline(end.Code, cellLimit) + "\n\n")
	}
	c.votesSoFar(&b)
	workflow.SetCurrentDetails(ctx, b.String())
	upsert(ctx, end.State, c.valid.Intent.Namespace)
}

func upsert(ctx workflow.Context, s sallyport.State, namespace string) {
	updates := []temporal.SearchAttributeUpdate{temporal.NewSearchAttributeKeyKeyword(StateAttribute).ValueSet(string(s))}
	if namespace != "" {
		updates = append(updates, temporal.NewSearchAttributeKeyKeyword(NamespaceAttribute).ValueSet(cut(namespace, attributeLimit)))
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, updates...); err != nil {
		workflow.GetLogger(ctx).Warn("search attributes were not set", "error", err)
	}
}

// paperTemplate is the JSON that an approver sends.
func paperTemplate(b sallyport.Ballot) string {
	return fmt.Sprintf(`{"verdict": %q, "ballot": %q, "reason": ""}`, sallyport.Approve, b.Digest())
}

// terms says how many have to say yes, and whose yes it has to be.
func terms(t sallyport.Terms) string {
	return fmt.Sprintf("%d of %s", t.Quorum, sallyport.Inline(strings.Join(t.Groups, ", "), cellLimit))
}

// unbroken is how long a word in a table's cell may be. The UI gives half of
// its width to a table, breaks no word in it, and cuts what is wider.
const unbroken = 40

// facts writes what has a name and a value: as rows of a table, of which the
// first is the head, and where a value is too wide for one, in lines after it.
// Names without a value are left out.
func facts(b *strings.Builder, cells ...string) {
	var after strings.Builder
	rule := "| --- | --- |\n"
	for pair := range slices.Chunk(cells, 2) {
		name, value := pair[0], pair[1]
		if value == "" {
			continue
		}
		if slices.ContainsFunc(strings.Fields(value), func(w string) bool { return utf8.RuneCountInString(w) > unbroken }) {
			fmt.Fprintf(&after, "\n%s: %s\n", name, value)
			continue
		}
		fmt.Fprintf(b, "| %s | %s |\n%s", name, value, rule)
		rule = ""
	}
	b.WriteString(after.String())
}
